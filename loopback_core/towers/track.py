"""The track towers."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.mlp import UnitMLP


@dataclass(frozen=True)
class TrackInputs:
    """What the track tower reads of B tracks."""

    track: Tensor  # (B,) int64 dense ids; an id outside those of train is the unknown track
    artist: Tensor  # (B,) int64 dense ids; likewise

    def __len__(self) -> int:
        return len(self.track)

    def rows(self, start: int, stop: int) -> "TrackInputs":
        """What is read of tracks start to stop."""
        return TrackInputs(self.track[start:stop], self.artist[start:stop])


class MLPTrackTower(nn.Module):
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


class SumTrackTower(nn.Module):
    """The artist's vector and the track's own, added up -> unit vector.

    No layer lies between the tables and the result, so that the user tower can add up the same rows: a user who plays
    an artist lies near that artist's tracks before anything is learned. In training the track's own vector is left
    out at random, so that the artist has to carry a track that the weights never saw.
    """

    def __init__(self, n_tracks: int, n_artists: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        dim = settings.output_dim
        unit = 1 / math.sqrt(dim)  # the standard deviation at which a vector has a length of about 1
        self.track = IdEmbedding(n_tracks, dim, std=settings.embedding_std * unit, sparse=sparse)
        self.artist = IdEmbedding(n_artists, dim, std=unit, sparse=sparse)
        self.id_dropout = settings.id_dropout

    def forward(self, inputs: TrackInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        own = self.track(inputs.track)
        known = (inputs.track >= 0) & (inputs.track < self.track.count)
        if self.training and self.id_dropout:
            known = known & (torch.rand(len(own), device=own.device) >= self.id_dropout)
        return F.normalize(self.artist(inputs.artist) + own * known[:, None], dim=-1)


TrackTower = MLPTrackTower | SumTrackTower


def make_track_tower(n_tracks: int, n_artists: int, settings: TowersSettings, *, sparse: bool) -> TrackTower:
    """The track tower that `towers.track_encoder` names."""
    kind = SumTrackTower if settings.track_encoder == "sum" else MLPTrackTower
    return kind(n_tracks, n_artists, settings, sparse=sparse)
