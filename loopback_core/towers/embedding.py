"""An embedding table with a row for the unknown, whose gradient covers only the rows that a batch touched."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Pool:
    """Weighted bags of ids, one per row, on several scales."""

    ids: Tensor  # (n,) int64, bag after bag
    offsets: Tensor  # (rows,) int64: where each bag begins
    weights: Tensor  # (n, scales) float32, without a gradient

    def to(self, device: torch.device) -> "Pool":
        """The same pool on `device`."""
        return Pool(self.ids.to(device), self.offsets.to(device), self.weights.to(device))

    def rows(self, start: int, stop: int) -> "Pool":
        """The bags of rows start to stop."""
        offsets = self.offsets[start:stop]
        low = int(offsets[0]) if len(offsets) else 0
        high = int(self.offsets[stop]) if stop < len(self.offsets) else len(self.ids)
        return Pool(self.ids[low:high], offsets - low, self.weights[low:high])


class IdEmbedding(nn.Module):
    """`count` rows for known ids and a last one for every id the weights never saw (any id outside [0, count)).

    With `sparse`, a training batch gathers each distinct row once, into a leaf of its own: backward fills a gradient
    of (distinct rows, dim) instead of one as large as the table, and a row-wise optimizer takes it from `touched`.
    Unlike torch's sparse gradients this works on every device.
    """

    def __init__(self, count: int, dim: int, *, std: float, sparse: bool) -> None:
        super().__init__()
        self.count, self.sparse = count, sparse
        self.weight = nn.Parameter(torch.randn(count + 1, dim) * std)
        self.touched: list[tuple[Tensor, Tensor]] = []  # (rows, leaf with their gradient) since the last step

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (...,) int64 -> (..., dim)."""
        rows = self._rows(ids)
        if not self._in_leaves():
            return F.embedding(rows, self.weight)
        distinct, places = torch.unique(rows, return_inverse=True)
        return F.embedding(places, self._leaf(distinct))

    def bag(self, pool: Pool) -> Tensor:
        """The weighted sum of each bag, (rows, scales, dim); zeros for an empty bag."""
        rows = self._rows(pool.ids)
        if not torch.is_grad_enabled():
            return _sums(rows, self.weight, pool.offsets, pool.weights)
        ordered, order = torch.sort(rows, stable=True)
        distinct, number = torch.unique_consecutive(ordered, return_inverse=True)
        table = self._leaf(distinct) if self.sparse else self.weight[distinct]
        sums: Tensor = _WeightedBags.apply(table, order, number, pool.offsets, pool.weights)
        return sums

    def _rows(self, ids: Tensor) -> Tensor:
        return torch.where((ids >= 0) & (ids < self.count), ids, self.count)

    def _in_leaves(self) -> bool:
        return self.sparse and torch.is_grad_enabled()

    def _leaf(self, distinct: Tensor) -> Tensor:
        leaf = self.weight.detach()[distinct].requires_grad_()
        self.touched.append((distinct, leaf))
        return leaf

    @torch.no_grad()
    def settle_unknown(self) -> None:
        """Put the unknown row at the mean of the known ones: a neutral place instead of a random one."""
        self.weight[self.count] = self.weight[: self.count].mean(dim=0)


class _WeightedBags(torch.autograd.Function):
    """Bags whose gradient is made of bags: of what the rows of the table weigh in each.

    The rows are sorted once, for both directions; torch's own backward sorts them again for every column of weights.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, order: Tensor, number: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """table: (distinct, dim). order: (n,) the entries by row. number: (n,) row of the table of each of them."""
        places = torch.empty_like(order)
        places[order] = number
        ctx.save_for_backward(order, number, offsets, weights)
        ctx.rows = len(table)
        return _sums(places, table, offsets, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        """upstream: (bags, columns, dim)."""
        order, number, offsets, weights = ctx.saved_tensors
        lengths = torch.diff(offsets, append=torch.tensor([len(order)], device=offsets.device))
        bag = torch.repeat_interleave(lengths)[order]
        begins = torch.searchsorted(number, torch.arange(ctx.rows, device=number.device))
        gradient = torch.zeros(ctx.rows, upstream.shape[2], device=upstream.device)
        for of_column, column in zip(upstream.unbind(dim=1), weights[order].T, strict=True):
            gradient += _sums(bag, of_column.contiguous(), begins, column[:, None])[:, 0]
        return gradient, None, None, None, None


def _sums(places: Tensor, table: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """(bags, columns, dim)."""
    columns = [column.contiguous() for column in weights.T]
    return torch.stack(
        [F.embedding_bag(places, table, offsets, mode="sum", per_sample_weights=column) for column in columns], dim=1
    )
