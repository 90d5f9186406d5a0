"""The items of histories, pooled on several time scales."""

from dataclasses import dataclass

import torch
from torch import Tensor

from loopback_core.towers.embedding import IdEmbedding


@dataclass(frozen=True)
class Pool:
    """The weights of the items that each of A requests heard, on several scales.

    Requests near each other in one history share a block: its rows of the table are gathered once for all of them, and
    their sums are one product of matrices.
    """

    ids: tuple[Tensor, ...]  # of each block: (n,) int64, distinct
    weights: tuple[Tensor, ...]  # of each block: (R, scales, n) float32, without a gradient; the R add up to A

    def to(self, device: torch.device) -> "Pool":
        """The same pool on `device`."""
        return Pool(*(tuple(part.to(device) for part in parts) for parts in (self.ids, self.weights)))

    def sums(self, table: IdEmbedding, dropout: float = 0.0) -> Tensor:
        """The weighted sums of rows of `table`, (A, scales, dim). dropout: the share of weights that are left out."""
        if not self.ids:
            return table.weight.new_zeros(0, 1, table.weight.shape[1])
        vectors = table(torch.cat(self.ids)).split([len(ids) for ids in self.ids])
        return torch.cat([_sums(w, v, dropout) for w, v in zip(self.weights, vectors, strict=True)])


def _sums(weights: Tensor, vectors: Tensor, dropout: float) -> Tensor:
    if dropout:
        weights = weights * (torch.rand_like(weights[:, :1]) >= dropout)  # of all scales alike
    return (weights.flatten(0, 1) @ vectors).view(*weights.shape[:2], -1)
