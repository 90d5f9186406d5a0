"""The parts of a track's vector from its names and its numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from loopback_core.data import Floats, Ids
from loopback_core.data.names import Names
from loopback_core.features.track_content import TrackContent
from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import Bags, IdEmbedding, keep_rows
from loopback_core.towers.inputs import Inputs


@dataclass(frozen=True)
class ContentInputs(Inputs):
    """Of B tracks; None is what is not read."""

    title: Bags | None = None  # trigrams
    artist_name: Bags | None = None
    dense: Tensor | None = None  # (B, statistics + columns), NaN where nothing is known


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

    Unknown values are set to the mean. The statistics can identify a track: they are left out together with its id.
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
        finite = np.isfinite(values)
        counts = np.maximum(finite.sum(axis=0), 1)
        zeroed = np.where(finite, values, 0).astype(np.float64)
        mean = zeroed.sum(axis=0) / counts
        deviation = np.sqrt((np.where(finite, zeroed - mean, 0) ** 2).sum(axis=0) / counts)
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(1 / np.where(deviation > 1e-6, deviation, 1)))

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """values: (B, statistics + columns). known: (B,) bool, whose statistics are read. -> (B, D)."""
        standard = torch.nan_to_num((values - self.mean) * self.scale)
        read = torch.ones_like(standard)
        read[:, : self.n_statistics] = known[:, None].to(standard.dtype)
        vectors: Tensor = self.layer(standard * read)
        return vectors


class ContentEncoder(nn.Module):
    """Adds names and numbers to the vectors of tracks."""

    def __init__(self, settings: TowersSettings, widths: tuple[int, int], *, sparse: bool) -> None:
        """widths: how many statistics and how many columns of features there are."""
        super().__init__()
        carries = settings.sum.ngram_buckets > 0 or widths[1] > 0  # statistics go with the id
        self.artist_dropout = settings.sum.artist_dropout if carries else 0.0
        self.names = NameEncoder(settings, sparse=sparse) if settings.sum.ngram_buckets else None
        self.numbers = NumberEncoder(*widths, settings.output_dim) if any(widths) else None

    def standardise(self, values: Floats | None) -> None:
        """See :meth:`NumberEncoder.standardise`."""
        if self.numbers is not None and values is not None:
            self.numbers.standardise(values)

    def forward(self, artist: Tensor, own: Tensor, known: Tensor, inputs: ContentInputs) -> Tensor:
        """artist, own: (B, D) vectors of artist and track. known: (B,) bool, whose own vector counts. -> (B, D)."""
        keep = keep_rows(artist, self.artist_dropout if self.training else 0.0)
        total = artist * keep[:, None] + own
        if self.names is not None and inputs.title is not None and inputs.artist_name is not None:
            total = total + self.names(inputs.title, inputs.artist_name)
        if self.numbers is not None and inputs.dense is not None:
            total = total + self.numbers(inputs.dense, known)
        return total


def make_content_encoder(settings: TowersSettings, widths: tuple[int, int], *, sparse: bool) -> ContentEncoder | None:
    """None where no names and no numbers are read, as in the recipe."""
    reads = settings.sum.ngram_buckets or any(widths)
    return ContentEncoder(settings, widths, sparse=sparse) if reads else None


def read_content(content: TrackContent, settings: TowersSettings, tracks: Ids, artist: Ids) -> ContentInputs | None:
    """The content of tracks, (B,), by artists, (B,); None where there is none."""
    dense = content.dense(tracks)
    if content.names is None and dense is None:
        return None
    buckets = settings.sum.ngram_buckets
    return ContentInputs(
        None if content.names is None else _trigrams(content.names.titles, tracks, buckets),
        None if content.names is None else _trigrams(content.names.artists, artist, buckets),
        None if dense is None else torch.from_numpy(dense),
    )


def _trigrams(names: Names, ids: Ids, buckets: int) -> Bags:
    """Trigrams of each name, with weights that make their sum a mean."""
    trigrams = names.trigrams(ids, buckets)
    weights = np.repeat(1 / np.maximum(trigrams.lengths, 1), trigrams.lengths).astype(np.float32)
    return Bags(*map(torch.from_numpy, (trigrams.values, trigrams.offsets[:-1], weights)))


def _silent(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
