"""An embedding table with a row for the unknown, whose gradient covers only the rows that a batch touched."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        return F.embedding(*self._gather(ids))

    def bag(self, ids: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """Weighted sums over bags of ids, one for each column of weights.

        ids: (n,) int64, bag after bag. offsets: (bags,) int64, where each begins. weights: (n, columns), no gradient.
        Returns (bags, columns, dim); zeros for an empty bag.
        """
        places, rows = self._gather(ids)
        sums = [
            F.embedding_bag(places, rows, offsets, mode="sum", per_sample_weights=column.contiguous())
            for column in weights.T
        ]
        return torch.stack(sums, dim=1)

    def _gather(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Places in a table, and that table: the whole one, or the distinct rows of the ids in a leaf of their own."""
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
