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
        rows = torch.where((ids >= 0) & (ids < self.count), ids, self.count)
        if not (self.sparse and torch.is_grad_enabled()):
            return F.embedding(rows, self.weight)
        distinct, place = torch.unique(rows, return_inverse=True)
        leaf = self.weight.detach()[distinct].requires_grad_()
        self.touched.append((distinct, leaf))
        return F.embedding(place, leaf)

    @torch.no_grad()
    def settle_unknown(self) -> None:
        """Put the unknown row at the mean of the known ones: a neutral place instead of a random one."""
        self.weight[self.count] = self.weight[: self.count].mean(dim=0)
