"""An embedding table whose rows are spread over the workers: rows come to where they are read, gradients go back."""

import torch
from torch import Tensor, nn

from loopback_core.towers.embedding import FetchedRows, IdEmbedding, sum_by_row
from loopback_core.training.workers.group import LEADER, WorkerGroup

ROWS_IN_A_MESSAGE = 1 << 20
"""Rows that are sent at a time when a whole table is spread or gathered, which bounds the memory."""


class ShardedTable:
    """The share of one worker in a table: the rows r with r % workers == its rank.

    Ids are numbered by how often they are played, so that this gives every worker as much to do. Before a step the rows
    that this worker's part of the batch reads are fetched from their owners, each once; after the backward pass their
    gradients are sent to the owners, who add them up in the order of the workers and move the row, once.
    (Row-wise sharding, as in Naumov et al. 2019, DLRM, and Ivchenko et al. 2022, TorchRec.)
    """

    def __init__(self, table: IdEmbedding, dim: int, group: WorkerGroup, device: torch.device) -> None:
        """table: its weight becomes the share of this worker. dim: the width of a row."""
        self.table, self.group = table, group
        self.rows = table.count + 1  # with that of the unknown
        owned = len(range(group.rank, self.rows, group.size))
        table.weight = nn.Parameter(torch.zeros(owned, dim, device=device))
        self._asked: tuple[Tensor, list[int], list[int], Tensor] | None = None

    @property
    def weight(self) -> Tensor:
        """The rows of this worker, (owned, dim)."""
        return self.table.weight

    @torch.no_grad()
    def fetch(self, ids: Tensor) -> None:
        """Get the rows of these ids, for the lookups of one step. ids: (n,) int64 in any order, also more than once."""
        rows: Tensor = torch.unique(self.table.rows_of(ids))
        owner = rows % self.group.size
        order = torch.argsort(owner, stable=True)
        counts = torch.bincount(owner, minlength=self.group.size).tolist()
        received = self.group.counts_from(counts, rows.device)
        asked = self.group.exchange(rows[order] // self.group.size, counts, received)
        vectors = self.weight.new_empty(len(rows), self.weight.shape[1])
        vectors[order] = self.group.exchange(self.weight.index_select(0, asked), received, counts)
        self._asked = (order, counts, received, asked)
        self.table.fetched = FetchedRows(rows, vectors.requires_grad_())

    def gradient(self) -> tuple[Tensor, Tensor] | None:
        """The rows of this worker that any worker read in the step, each once, and their summed gradients."""
        if self._asked is None or self.table.fetched is None:
            return None
        order, counts, received, asked = self._asked
        vectors = self.table.fetched.vectors
        own = torch.zeros_like(vectors) if vectors.grad is None else vectors.grad
        return sum_by_row(asked, self.group.exchange(own[order], counts, received))

    def forget(self) -> None:
        """Let go of the rows of the last step."""
        self._asked = self.table.fetched = None


def spread_rows(whole: Tensor | None, shares: Tensor, rows: int, group: WorkerGroup) -> None:
    """Give every worker its rows. whole: (rows, ...) on the leader. shares: (owned, ...), filled in place."""
    for start in range(0, rows, step := ROWS_IN_A_MESSAGE * group.size):
        stop = min(start + step, rows)
        counts = [len(range(start + rank, stop, group.size)) for rank in range(group.size)]
        of_rank = [shares.new_empty(0, *shares.shape[1:])]
        if whole is not None:
            of_rank = [whole[start + rank : stop : group.size].to(shares.device) for rank in range(group.size)]
        sent = counts if group.leads else [0] * group.size
        received = [counts[group.rank] if rank == LEADER else 0 for rank in range(group.size)]
        share = group.exchange(torch.cat(of_rank), sent, received)
        shares[start // group.size :][: len(share)] = share


def gather_rows(whole: Tensor | None, shares: Tensor, rows: int, group: WorkerGroup) -> None:
    """The reverse: the leader's `whole` gets the rows of every worker."""
    for start in range(0, rows, step := ROWS_IN_A_MESSAGE * group.size):
        stop = min(start + step, rows)
        counts = [len(range(start + rank, stop, group.size)) for rank in range(group.size)]
        own = shares[start // group.size :][: counts[group.rank]]
        sent = [counts[group.rank] if rank == LEADER else 0 for rank in range(group.size)]
        gathered = group.exchange(own, sent, counts if group.leads else [0] * group.size)
        if whole is not None:
            for rank, of_rank in enumerate(torch.split(gathered, counts)):
                whole[start + rank : stop : group.size] = of_rank.to(whole.device)
