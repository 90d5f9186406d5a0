"""The track towers."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.errors import SettingsError
from loopback_core.settings import TowersSettings
from loopback_core.towers.content import NameEncoder, NumberEncoder
from loopback_core.towers.embedding import Bags, IdEmbedding
from loopback_core.towers.inputs import Inputs
from loopback_core.towers.mlp import UnitMLP


@dataclass(frozen=True)
class TrackInputs(Inputs):
    """What the track tower reads of B tracks; None is what it does not read."""

    track: Tensor  # (B,) int64 dense ids; an id outside those of train is the unknown track
    artist: Tensor  # (B,) int64 dense ids; likewise
    title: Bags | None = None  # trigrams
    artist_name: Bags | None = None
    dense: Tensor | None = None  # (B, statistics + columns), NaN where nothing is known

    def __len__(self) -> int:
        return len(self.track)


class MLPTrackTower(nn.Module):
    """Track id and artist id -> MLP -> unit vector."""

    def __init__(self, n_tracks: int, n_artists: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.track = IdEmbedding(n_tracks, settings.mlp.id_dim, std=settings.embedding_std, sparse=sparse)
        self.artist = IdEmbedding(n_artists, settings.mlp.id_dim, std=settings.embedding_std, sparse=sparse)
        self.body = UnitMLP(2 * settings.mlp.id_dim, settings)

    def forward(self, inputs: TrackInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        features = torch.cat([self.track(inputs.track), self.artist(inputs.artist)], dim=-1)
        vectors: Tensor = self.body(features)
        return vectors


class SumTrackTower(nn.Module):
    """The artist's vector, the track's own, and what its names and numbers say, added up -> unit vector.

    No layer lies between the tables and the result, so that the user tower can add up the same rows: a user who plays
    an artist lies near that artist's tracks before anything is learned. Content starts silent: its layers are zero. In
    training ids are left out at random, so that the artist, and content, have to carry a track that the weights never
    saw.
    """

    def __init__(
        self, n_tracks: int, n_artists: int, settings: TowersSettings, widths: tuple[int, int], *, sparse: bool
    ) -> None:
        """widths: how many statistics and how many columns of features there are."""
        super().__init__()
        dim = settings.output_dim
        unit = 1 / math.sqrt(dim)  # the standard deviation at which a vector has a length of about 1
        self.track = IdEmbedding(n_tracks, dim, std=settings.embedding_std * unit, sparse=sparse)
        self.artist = IdEmbedding(n_artists, dim, std=unit, sparse=sparse)
        self.id_dropout = settings.sum.id_dropout
        carried = settings.sum.ngram_buckets > 0 or widths[1] > 0  # statistics go with the id: they carry nothing
        self.artist_dropout = settings.sum.artist_dropout if carried else 0.0
        self.names = NameEncoder(settings, sparse=sparse) if settings.sum.ngram_buckets else None
        self.numbers = NumberEncoder(*widths, dim) if any(widths) else None

    def forward(self, inputs: TrackInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        own = self.track(inputs.track)
        known = (inputs.track >= 0) & (inputs.track < self.track.count) & self._kept(own, self.id_dropout)
        total = self.artist(inputs.artist) * self._kept(own, self.artist_dropout)[:, None] + own * known[:, None]
        if self.names is not None and inputs.title is not None and inputs.artist_name is not None:
            total = total + self.names(inputs.title, inputs.artist_name)
        if self.numbers is not None and inputs.dense is not None:
            total = total + self.numbers(inputs.dense, known)
        return F.normalize(total, dim=-1)

    def _kept(self, like: Tensor, dropout: float) -> Tensor:
        """(B,) bool: training leaves some out at random."""
        if not (self.training and dropout):
            return torch.ones(len(like), dtype=torch.bool, device=like.device)
        return torch.rand(len(like), device=like.device) >= dropout


TrackTower = MLPTrackTower | SumTrackTower


def make_track_tower(
    n_tracks: int, n_artists: int, settings: TowersSettings, widths: tuple[int, int] = (0, 0), *, sparse: bool
) -> TrackTower:
    """The track tower that `towers.track_encoder` names. widths: see :class:`SumTrackTower`.

    Raises:
        SettingsError: content is asked for, and the tower reads none.
    """
    if settings.track_encoder == "sum":
        return SumTrackTower(n_tracks, n_artists, settings, widths, sparse=sparse)
    if settings.sum.ngram_buckets or any(widths):
        raise SettingsError(
            "towers.ngram_buckets, track_statistics and features need towers.track_encoder = 'sum', which reads them."
        )
    return MLPTrackTower(n_tracks, n_artists, settings, sparse=sparse)
