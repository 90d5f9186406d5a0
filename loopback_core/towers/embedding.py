"""An embedding table with a row for the unknown, whose gradient covers only the rows that a batch touched."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Bags:
    """Weighted bags of ids, one per row."""

    ids: Tensor  # (n,) int64, bag after bag
    offsets: Tensor  # (rows,) int64: where each bag begins
    weights: Tensor  # (n,) float32, without a gradient

    def to(self, device: torch.device) -> "Bags":
        """The same bags on `device`."""
        return Bags(self.ids.to(device), self.offsets.to(device), self.weights.to(device))

    def rows(self, start: int, stop: int) -> "Bags":
        """The bags of rows start to stop."""
        offsets = self.offsets[start:stop]
        low = int(offsets[0]) if len(offsets) else 0
        high = int(self.offsets[stop]) if stop < len(self.offsets) else len(self.ids)
        return Bags(self.ids[low:high], offsets - low, self.weights[low:high])


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
        rows, table = self._gathered(ids)
        return F.embedding(rows, table)

    def bag(self, bags: Bags) -> Tensor:
        """The weighted sum of each bag, (rows, dim); zeros for an empty bag."""
        rows, table = self._gathered(bags.ids)
        return F.embedding_bag(rows, table, bags.offsets, mode="sum", per_sample_weights=bags.weights)

    def _gathered(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Rows, and the table that they are rows of: the weights, or a leaf with those of them that are asked for."""
        rows = torch.where((ids >= 0) & (ids < self.count), ids, self.count)
        if not (self.sparse and torch.is_grad_enabled()):
            return rows, self.weight
        distinct, places = torch.unique(rows, return_inverse=True)
        leaf = self.weight.detach()[distinct].requires_grad_()
        self.touched.append((distinct, leaf))
        return places, leaf

    @torch.no_grad()
    def settle_unknown(self) -> None:
        """Put the unknown row at the mean of the known ones: a neutral place instead of a random one."""
        self.weight[self.count] = self.weight[: self.count].mean(dim=0)
