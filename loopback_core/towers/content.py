"""What the names and the numbers of a track add to its vector."""

import numpy as np
import torch
from torch import Tensor, nn

from loopback_core.data import Floats
from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import Bags, IdEmbedding


class NameEncoder(nn.Module):
    """The mean vector of the trigrams of title and artist name, each through a layer of its own that starts at zero."""

    def __init__(self, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.trigrams = IdEmbedding(settings.sum.ngram_buckets, settings.sum.ngram_dim, std=1.0, sparse=sparse)
        self.title = _silent(settings.sum.ngram_dim, settings.output_dim)
        self.artist = _silent(settings.sum.ngram_dim, settings.output_dim)

    def forward(self, title: Bags, artist_name: Bags) -> Tensor:
        """-> (B, D)."""
        vectors: Tensor = self.title(self.trigrams.bag(title)) + self.artist(self.trigrams.bag(artist_name))
        return vectors


class NumberEncoder(nn.Module):
    """Statistics of the fit data and columns of features, standardised, through a layer that starts at zero.

    What is not known stands at the mean. The statistics say much about who a track is: they go where its id goes.
    """

    def __init__(self, n_statistics: int, n_columns: int, dim: int) -> None:
        super().__init__()
        self.n_statistics = n_statistics
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(n_statistics + n_columns))
        self.register_buffer("scale", torch.ones(n_statistics + n_columns))
        self.layer = _silent(n_statistics + n_columns, dim)

    @torch.no_grad()
    def standardise(self, values: Floats) -> None:
        """Keep mean and deviation of each column, NaN left out. values: (tracks, statistics + columns)."""
        there = np.isfinite(values)
        counts = np.maximum(there.sum(axis=0), 1)
        zeroed = np.where(there, values, 0).astype(np.float64)
        mean = zeroed.sum(axis=0) / counts
        deviation = np.sqrt((np.where(there, zeroed - mean, 0) ** 2).sum(axis=0) / counts)
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(1 / np.where(deviation > 1e-6, deviation, 1)))

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """values: (B, statistics + columns). known: (B,) bool, whose statistics are read. -> (B, D)."""
        standard = torch.nan_to_num((values - self.mean) * self.scale)
        read = torch.ones_like(standard)
        read[:, : self.n_statistics] = known[:, None].to(standard.dtype)
        vectors: Tensor = self.layer(standard * read)
        return vectors


def _silent(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
