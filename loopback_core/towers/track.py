"""The track tower."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.mlp import UnitMLP


@dataclass(frozen=True)
class TrackInputs:
    """What the track tower reads of B tracks."""

    track: Tensor  # (B,) int64 dense ids; an id outside those of train is the unknown track
    artist: Tensor  # (B,) int64 dense ids; likewise


class TrackTower(nn.Module):
    """Track id and artist id -> MLP -> unit vector."""

    def __init__(self, n_tracks: int, n_artists: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.track = IdEmbedding(n_tracks, settings.id_dim, std=settings.embedding_std, sparse=sparse)
        self.artist = IdEmbedding(n_artists, settings.id_dim, std=settings.embedding_std, sparse=sparse)
        self.body = UnitMLP(2 * settings.id_dim, settings)

    def forward(self, inputs: TrackInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        features = torch.cat([self.track(inputs.track), self.artist(inputs.artist)], dim=-1)
        vectors: Tensor = self.body(features)
        return vectors
