"""An embedding table with a row for the unknown, whose gradient covers only the rows that a batch touched."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.towers.inputs import Inputs

IdsOf = Literal["users", "tracks", "artists", "buckets"]


@dataclass(frozen=True)
class Bags(Inputs):
    """Weighted bags of ids, one per row."""

    ids: Tensor  # (n,) int64, bag after bag
    offsets: Tensor  # (rows,) int64: where each bag begins
    weights: Tensor  # (n,) float32, without a gradient


@dataclass(frozen=True)
class FetchedRows:
    """Rows that a step reads, from the workers that own them."""

    rows: Tensor  # (n,) int64, distinct and ascending
    vectors: Tensor  # (n, dim), a leaf that collects their gradients


class IdEmbedding(nn.Module):
    """`count` rows for known ids and a last one for every id the weights never saw (any id outside [0, count)).

    With `sparse`, each lookup of a training batch gathers its rows into a leaf of its own: backward fills a gradient of
    (rows, dim) instead of one as large as the table, and a row-wise optimizer takes their sum. Unlike torch's sparse
    gradients this works on every device.
    """

    def __init__(self, count: int, dim: int, *, std: float, sparse: bool, of: IdsOf = "buckets") -> None:
        """of: what the ids are of: those of a log are numbered anew when it grows, hash buckets are not."""
        super().__init__()
        self.count, self.sparse, self.of = count, sparse, of
        weight = torch.empty(count + 1, dim)
        if not weight.is_meta:  # those are read from a file; drawing their values would import torch's compiler
            weight = torch.randn(count + 1, dim) * std
        self.weight = nn.Parameter(weight)
        self.touched: list[tuple[Tensor, Tensor]] = []  # since the last step: (n,) rows, leaf (n, dim) with a gradient
        self.fetched: FetchedRows | None = None  # where the weight holds only the rows of one of several workers

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (...,) int64 -> (..., dim)."""
        rows = self.rows_of(ids)
        if not self._in_leaves():
            return F.embedding(rows, self.weight)
        return self._leaf(rows.flatten()).view(*ids.shape, self.weight.shape[1])

    def bag(self, bags: Bags) -> Tensor:
        """The weighted sum of each bag, (rows, dim); zeros for an empty bag."""
        rows: Tensor = self.rows_of(bags.ids)
        table: Tensor = self.weight
        if self._in_leaves():  # the same few ids are in most bags
            distinct, rows = torch.unique(rows, return_inverse=True)
            table = self._leaf(distinct)
        return F.embedding_bag(rows, table, bags.offsets, mode="sum", per_sample_weights=bags.weights)

    def rows_of(self, ids: Tensor) -> Tensor:
        """The row of each id, (...,); the last one for the unknown."""
        return torch.where((ids >= 0) & (ids < self.count), ids, self.count)

    def _in_leaves(self) -> bool:
        return self.sparse and torch.is_grad_enabled()

    def _leaf(self, rows: Tensor) -> Tensor:
        if self.fetched is not None:
            return self.fetched.vectors.index_select(0, torch.searchsorted(self.fetched.rows, rows))
        # index_select and not weight[rows], which takes five times as long on a CPU.
        leaf = self.weight.detach().index_select(0, rows).requires_grad_()
        self.touched.append((rows, leaf))
        return leaf

    def gradient(self) -> tuple[Tensor, Tensor] | None:
        """The rows that lookups since the last step touched, each once, and their summed gradients; None: no lookup."""
        lookups = [(rows, leaf.grad) for rows, leaf in self.touched if leaf.grad is not None]
        if not lookups:
            return None
        rows, gradients = (torch.cat(parts) for parts in zip(*lookups, strict=True))
        return sum_by_row(rows, gradients)

    def forget(self) -> None:
        """Let go of the lookups since the last step."""
        self.touched.clear()

    @torch.no_grad()
    def settle_unknown(self) -> None:
        """Set the unknown row to the mean of the known ones, a neutral value instead of a random one."""
        if self.count:
            self.weight[self.count] = self.weight[: self.count].mean(dim=0)


def sum_by_row(rows: Tensor, gradients: Tensor) -> tuple[Tensor, Tensor]:
    """Each row once, ascending, and the sum of its gradients. rows: (n,) int64. gradients: (n, dim)."""
    rows, order = torch.sort(rows, stable=True)
    distinct, counts = torch.unique_consecutive(rows, return_counts=True)
    return distinct, F.embedding_bag(order, gradients, counts.cumsum(0) - counts, mode="sum")


def keep_rows(like: Tensor, dropout: float) -> Tensor:
    """(B,) bool for (B, D): which rows are kept, at random; with a dropout of 0 all, and nothing is drawn."""
    if not dropout:
        return torch.ones(len(like), dtype=torch.bool, device=like.device)
    return torch.rand(len(like), device=like.device) >= dropout
