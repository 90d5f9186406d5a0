"""The user towers."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.errors import SettingsError
from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.mlp import UnitMLP
from loopback_core.towers.track import SumTrackTower, TrackTower

ANYTHING, ONLY_NEW = 0, 1
"""What a request wants: whatever fits, or only what the user never played."""


@dataclass(frozen=True)
class Pool:
    """Weighted bags of ids, one per request, on several time scales."""

    ids: Tensor  # (n,) int64, bag after bag
    offsets: Tensor  # (A,) int64: where the bag of each request begins
    weights: Tensor  # (n, scales) float32

    def to(self, device: torch.device) -> "Pool":
        """The same pool on `device`."""
        return Pool(self.ids.to(device), self.offsets.to(device), self.weights.to(device))


@dataclass(frozen=True)
class UserInputs:
    """What the user tower reads of A requests; the pools are None for a tower that reads no history."""

    user: Tensor  # (A,) int64 dense ids; an id outside those of train is the unknown user
    intent: Tensor | None = None  # (A,) int64: ANYTHING or ONLY_NEW
    artists: Pool | None = None
    tracks: Pool | None = None

    def to(self, device: torch.device) -> "UserInputs":
        """The same requests on `device`."""
        return UserInputs(
            self.user.to(device),
            None if self.intent is None else self.intent.to(device),
            None if self.artists is None else self.artists.to(device),
            None if self.tracks is None else self.tracks.to(device),
        )


class IdUserTower(nn.Module):
    """User id -> MLP -> unit vector."""

    def __init__(self, n_users: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.user = IdEmbedding(n_users, settings.id_dim, std=settings.embedding_std, sparse=sparse)
        self.body = UnitMLP(settings.id_dim, settings)

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (A, D) of unit norm."""
        vectors: Tensor = self.body(self.user(inputs.user))
        return vectors


class HistoryUserTower(nn.Module):
    """What was played, pooled on several time scales -> unit vector; no user has a vector of its own.

    u = sum over the scales of g_s * (weighted sum of the artists' vectors) + h_s * (that of the tracks' own vectors) +
    a vector of the intent. The gates g and h weigh each dimension, apart for each intent: what to play next and what
    to discover ask different questions of the same history, and get one vector each from one set of tables. A history
    without a known listen is answered by the intent's vector alone.
    """

    def __init__(self, tracks: SumTrackTower, settings: TowersSettings) -> None:
        super().__init__()
        self._tables = (tracks.artist, tracks.track)  # in a tuple: they belong to the track tower, and are saved there
        dim = settings.output_dim
        scales = [len(settings.artist_half_lives), len(settings.track_half_lives)]
        self.artist_gates, self.track_gates = (nn.Parameter(torch.full((2, n, dim), 1 / n)) for n in scales)
        self.intents = nn.Parameter(torch.zeros(2, dim))
        self.dropout = settings.history_dropout

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (A, D) of unit norm."""
        assert inputs.intent is not None and inputs.artists is not None and inputs.tracks is not None
        total = self.intents[inputs.intent]
        for table, gates, pool in zip(
            self._tables, (self.artist_gates, self.track_gates), (inputs.artists, inputs.tracks), strict=True
        ):
            weights = pool.weights
            if self.training and self.dropout:
                weights = weights * (torch.rand(len(weights), 1, device=weights.device) >= self.dropout)
            total = total + (table.bag(pool.ids, pool.offsets, weights) * gates[inputs.intent]).sum(dim=1)
        return F.normalize(total, dim=-1)


UserTower = IdUserTower | HistoryUserTower


def make_user_tower(n_users: int, tracks: TrackTower, settings: TowersSettings, *, sparse: bool) -> UserTower:
    """The user tower that `towers.user_encoder` names.

    Raises:
        SettingsError: it reads histories, and the track tower has no vectors to pool.
    """
    if settings.user_encoder == "id":
        return IdUserTower(n_users, settings, sparse=sparse)
    if not isinstance(tracks, SumTrackTower):
        raise SettingsError(
            "towers.user_encoder = 'pooled' needs towers.track_encoder = 'sum', whose vectors it pools."
        )
    return HistoryUserTower(tracks, settings)
