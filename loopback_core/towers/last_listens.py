"""The part of the user tower that reads the last listens in order."""

import math

from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.hstu import TIME_BUCKETS, HstuEncoder, time_buckets
from loopback_core.towers.sequences import NO_LISTEN, Sequences


class LastListens(nn.Module):
    """An encoding of the last listens, and a vector for the time that has passed since.

    A listen enters as the sum of its artist's and its own vector. They are those of the track tower, or, with
    `own_tables`, others: shared tables can only say that tracks are alike, which is the same in both directions.
    """

    def __init__(self, tables: tuple[IdEmbedding, IdEmbedding], settings: TowersSettings, *, sparse: bool) -> None:
        """tables: of artists and of tracks; they belong to the track tower."""
        super().__init__()
        hstu, dim = settings.hstu, settings.output_dim
        self._shared = tables
        self.own: nn.ModuleList | None = None
        if hstu.own_tables:
            std = 1 / math.sqrt(dim)
            self.own = nn.ModuleList(
                IdEmbedding(table.count, dim, std=std, sparse=sparse, of=table.of) for table in tables
            )
        self.encoder, self.dropout = HstuEncoder(dim, hstu), hstu.dropout
        # Small, so never on the meta device, where drawing its values would import torch's compiler.
        self.waited = nn.Embedding(TIME_BUCKETS, dim, device="cpu")
        nn.init.zeros_(self.waited.weight)

    def states(self, last: Sequences) -> Tensor:
        """-> (C, L, D) of unit norm: the encoding at every listen of the stretches."""
        artist, track = self._shared if self.own is None else self.own
        is_read = last.tracks != NO_LISTEN
        listens = (artist(last.artists) + track(last.tracks)) * is_read[..., None]
        listens = nn.functional.dropout(listens, self.dropout, self.training)
        encoded: Tensor = self.encoder(listens, is_read, last.seconds)
        return encoded

    def forward(self, last: Sequences) -> Tensor:
        """-> (A, D): the encoding at the last listen of each request; zeros where nothing was heard."""
        return self.at_requests(self.states(last), last)

    def at_requests(self, states: Tensor, last: Sequences) -> Tensor:
        """-> (A, D): as :meth:`forward`, from states that were computed before."""
        at_request = states.flatten(0, 1).index_select(0, last.last)
        heard = (last.tracks != NO_LISTEN).flatten().index_select(0, last.last)
        answer: Tensor = (at_request + self.waited(time_buckets(last.waited))) * heard[:, None]
        return answer
