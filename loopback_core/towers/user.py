"""The user towers."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.errors import SettingsError
from loopback_core.features.demographics import DEMOGRAPHIC_SIZES
from loopback_core.settings import TowersSettings
from loopback_core.towers.context import CONTEXT_SIZES, CodeEmbedding
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.encoders import make_encoder
from loopback_core.towers.inputs import Inputs
from loopback_core.towers.mlp import UnitMLP
from loopback_core.towers.pool import Pool
from loopback_core.towers.sequences import GAPS, HOURS, NOBODY, Sequences
from loopback_core.towers.track import SumTrackTower, TrackTower

ANYTHING, ONLY_NEW = 0, 1
"""What a request wants: whatever fits, or only what the user never played."""


@dataclass(frozen=True)
class UserInputs(Inputs):
    """What the user tower reads of A requests; None is what it does not read."""

    user: Tensor  # (A,) int64 dense ids; an id outside those of train is the unknown user
    intent: Tensor | None = None  # (A,) int64: ANYTHING or ONLY_NEW
    artists: Pool | None = None
    tracks: Pool | None = None
    last: Sequences | None = None
    context: Tensor | None = None  # (A, 3) int64 codes below CONTEXT_SIZES
    demographics: Tensor | None = None  # (A, 3) int64 codes below DEMOGRAPHIC_SIZES

    def __len__(self) -> int:
        return len(self.user)


class IdUserTower(nn.Module):
    """User id -> MLP -> unit vector."""

    def __init__(self, n_users: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.user = IdEmbedding(n_users, settings.mlp.id_dim, std=settings.embedding_std, sparse=sparse)
        self.body = UnitMLP(settings.mlp.id_dim, settings)

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (A, D) of unit norm."""
        vectors: Tensor = self.body(self.user(inputs.user))
        return vectors


class HistoryUserTower(nn.Module):
    """What was played, and what is known of the request -> unit vector; no user has a vector of its own.

    u = sum over the scales of g_s * (weighted sum of the artists' vectors) + h_s * (that of the tracks' own vectors) +
    f * (an encoding of the last listens) + vectors of the intent, the context and the demographics, as far as each is
    read. The gates g, h and f weigh each dimension, apart for each intent: what to play next and what to discover ask
    different questions of the same history, and get one vector each from one set of tables. A history without a known
    listen is answered by the rest.
    """

    def __init__(self, tracks: SumTrackTower, settings: TowersSettings) -> None:
        super().__init__()
        self._tables = (tracks.artist, tracks.track)  # in a tuple: they belong to the track tower, and are saved there
        dim = settings.output_dim
        scales = [len(settings.pooled.artist_half_lives), len(settings.pooled.track_half_lives)]
        self.artist_gates, self.track_gates = (nn.Parameter(torch.full((2, n, dim), 1 / n)) for n in scales)
        self.intents = nn.Parameter(torch.zeros(2, dim))
        self.dropout = settings.pooled.dropout
        self.encoder = make_encoder(settings)
        if self.encoder is not None:
            n = self.encoder.outputs
            self.last_gates = nn.Parameter(torch.full((2, n, dim), 1 / n))
            self.when = CodeEmbedding((HOURS + 1, GAPS + 1), dim, 0.0)
        self.context = CodeEmbedding(CONTEXT_SIZES, dim, self.dropout) if settings.pooled.context else None
        self.demographics = (
            CodeEmbedding(DEMOGRAPHIC_SIZES, dim, self.dropout) if settings.pooled.demographics else None
        )

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (A, D) of unit norm."""
        assert inputs.intent is not None
        # index_select, not intents[...]: threads add up the gradient of an index in any order, and no run is like another.
        total = self.intents.index_select(0, inputs.intent)
        gates = (self.artist_gates, self.track_gates)
        for table, gate, pool in zip(self._tables, gates, (inputs.artists, inputs.tracks), strict=True):
            if pool is not None:
                dropout = self.dropout if self.training else 0.0
                total = total + (pool.sums(table, dropout) * gate.index_select(0, inputs.intent)).sum(dim=1)
        if inputs.last is not None:
            total = total + (self._encode(inputs.last) * self.last_gates.index_select(0, inputs.intent)).sum(dim=1)
        for vectors, codes in ((self.context, inputs.context), (self.demographics, inputs.demographics)):
            if vectors is not None and codes is not None:
                total = total + vectors(codes)
        return F.normalize(total, dim=-1)

    def _encode(self, last: Sequences) -> Tensor:
        """-> (A, outputs, D): the stretches encoded, and read where each request stands; zeros where nothing was heard."""
        assert self.encoder is not None
        artist, track = self._tables
        there = last.tracks != NOBODY
        kept = there & (self._kept(there.numel(), artist.weight).view(there.shape) > 0)
        listens = artist(last.artists) + track(last.tracks) + self.when(torch.stack([last.hour, last.gap], dim=-1) + 1)
        encoded: Tensor = self.encoder(listens * kept[..., None], kept)
        read = encoded.flatten(0, 1).index_select(0, last.last)
        return read * there.flatten()[last.last][:, None, None]

    def _kept(self, count: int, like: Tensor) -> Tensor:
        """(count,) of 0 and 1: training leaves out some of a history at random."""
        if not (self.training and self.dropout):
            return torch.ones(count, device=like.device)
        return (torch.rand(count, device=like.device) >= self.dropout).to(like.dtype)


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
            f"towers.user_encoder = {settings.user_encoder!r} needs towers.track_encoder = 'sum', whose vectors it reads."
        )
    return HistoryUserTower(tracks, settings)
