"""The user tower of the recipe."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.inputs import Inputs
from loopback_core.towers.last_listens import LastListens
from loopback_core.towers.optional.request_parts import RequestInputs, make_request_parts
from loopback_core.towers.pool import Pool
from loopback_core.towers.sequences import Sequences
from loopback_core.towers.track import SumTrackTower

ANYTHING, ONLY_NEW = 0, 1
"""The intent of a request: any track, or only tracks that the user never played."""


@dataclass(frozen=True)
class UserInputs(Inputs):
    """What the user tower reads of A requests; None is what it does not read."""

    user: Tensor  # (A,) int64 dense ids; an id outside those of train is the unknown user
    intent: Tensor | None = None  # (A,) int64: ANYTHING or ONLY_NEW
    artists: Pool | None = None
    tracks: Pool | None = None
    pooled: Tensor | None = None  # (A,) int64: which row of the pools each request reads; None: the one in its place
    last: Sequences | None = None
    optional: RequestInputs | None = None

    def __len__(self) -> int:
        return len(self.user)


class HistoryUserTower(nn.Module):
    """What was played, and what is known of the request -> unit vector; no user has a vector of its own.

    u = sum over the scales of g_s * (weighted sum of the artists' vectors) + h_s * (that of the tracks' own vectors) +
    f * (an encoding of the last listens) + vectors of the intent, the context and the demographics, as far as each is
    read. The gates g, h and f weigh each dimension, apart for each intent: the next play and a discovery read
    the same history differently, and get one vector each from one set of tables. A history without a known
    listen is answered by the rest.
    """

    def __init__(self, tracks: SumTrackTower, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self._tables = (tracks.artist, tracks.track)  # in a tuple: they belong to the track tower, and are saved there
        dim = settings.output_dim
        scales = [len(settings.pooled.artist_half_lives), len(settings.pooled.track_half_lives)]
        self.artist_gates, self.track_gates = (nn.Parameter(torch.full((2, n, dim), 1 / n)) for n in scales)
        self.intents = nn.Parameter(torch.zeros(2, dim))
        self.dropout = settings.pooled.dropout
        self.last: LastListens | None = None
        if settings.user_encoder == "hstu":
            self.last = LastListens(self._tables, settings, sparse=sparse)
            self.last_gates = nn.Parameter(torch.ones(2, dim))
        self.parts = make_request_parts(settings)  # none in the recipe

    @property
    def tables(self) -> tuple[IdEmbedding, IdEmbedding]:
        """Those of artists and of tracks, which belong to the track tower."""
        return self._tables

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (A, D) of unit norm."""
        return F.normalize(self.total(inputs), dim=-1)

    def total(self, inputs: UserInputs, states: Tensor | None = None) -> Tensor:
        """-> (A, D): the sum before it is brought to unit norm.

        states: (C, L, D) of the last listens, by :meth:`LastListens.states`; None: they are computed here.
        """
        assert inputs.intent is not None
        # index_select, not intents[...]: threads add up the gradient of an index in any order, and runs would differ.
        total = self.intents.index_select(0, inputs.intent)
        gates = (self.artist_gates, self.track_gates)
        for table, gate, pool in zip(self._tables, gates, (inputs.artists, inputs.tracks), strict=True):
            if pool is not None:
                dropout = self.dropout if self.training else 0.0
                total = total + _gated(pool.sums(table, dropout), gate, inputs.intent, inputs.pooled)
        if self.last is not None and inputs.last is not None:
            states = self.last.states(inputs.last) if states is None else states
            encoded = self.last.at_requests(states, inputs.last)
            total = total + encoded * self.last_gates.index_select(0, inputs.intent)
        if inputs.optional is not None:
            for part in self.parts:
                total = part(total, inputs.optional)
        return total


def _gated(sums: Tensor, gates: Tensor, intent: Tensor, pooled: Tensor | None) -> Tensor:
    """The weighted sums of the scales, (A, D). sums: (P, scales, D). gates: (2, scales, D). pooled: (A,) rows of sums."""
    if pooled is None:
        return (sums * gates.index_select(0, intent)).sum(dim=1)
    of_intents = torch.cat([(sums * gate).sum(dim=1) for gate in gates])  # once for all requests that share them
    return of_intents.index_select(0, intent * len(sums) + pooled)
