"""A causal encoder of the last listens that knows their order and their times: HSTU blocks.

(Zhai et al. 2024, "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
Recommendations".)
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import HstuSettings

TIME_BUCKETS = 32
"""Bucket b: listens that lie 2 ** (b - 1) to 2 ** b seconds apart; 0: less than one second."""


def time_buckets(seconds: Tensor) -> Tensor:
    """The bucket of each time span, int64 below TIME_BUCKETS. seconds: of any shape."""
    return torch.log2(seconds.clamp(min=0.5)).add(1).long().clamp(0, TIME_BUCKETS - 1)


class HstuEncoder(nn.Module):
    """Blocks of pointwise attention over the last W listens; every place of a stretch is encoded from what lies before it.

    At the start the encoding of a place is the listen itself: the last layer of each block starts at zero.
    """

    def __init__(self, dim: int, settings: HstuSettings) -> None:
        super().__init__()
        self.window = settings.window
        self.blocks = nn.ModuleList(_Block(dim, settings) for _ in range(settings.layers))

    def forward(self, listens: Tensor, is_read: Tensor, seconds: Tensor) -> Tensor:
        """listens: (C, L, D). is_read: (C, L) bool. seconds: (C, L), the time of each listen. -> (C, L, D) of unit norm."""
        place = torch.arange(is_read.shape[1], device=listens.device)
        lag = place[:, None] - place  # (L, L): how many listens place j lies before place i
        is_seen = ((lag >= 0) & (lag < self.window)) & is_read[:, None]  # (C, L, L)
        lag, apart = lag.clamp(0, self.window - 1), time_buckets(seconds[:, :, None] - seconds[:, None])
        for block in self.blocks:
            listens = block(listens, is_seen, lag, apart)
        return F.normalize(listens, dim=-1)


class _Block(nn.Module):
    """x + out(norm(A v) * u) with A = silu(q k + bias of the lag + bias of the time between) / W; no softmax."""

    def __init__(self, dim: int, settings: HstuSettings) -> None:
        super().__init__()
        self.heads, self.window, self.dropout = settings.heads, settings.window, settings.dropout
        self.before = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 4 * dim)
        self.of_lag = nn.Parameter(torch.zeros(settings.window))
        self.of_time = nn.Parameter(torch.zeros(TIME_BUCKETS))
        self.after = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, listens: Tensor, is_seen: Tensor, lag: Tensor, apart: Tensor) -> Tensor:
        count, length, dim = listens.shape
        gate, value, query, key = F.silu(self.project(self.before(listens))).chunk(4, dim=-1)
        query, key, value = (
            part.view(count, length, self.heads, dim // self.heads).transpose(1, 2) for part in (query, key, value)
        )  # each (C, heads, L, D / heads)
        bias = _Lookup.apply(self.of_lag, lag) + _Lookup.apply(self.of_time, apart)  # (C, L, L)
        weights = F.silu(query @ key.transpose(-1, -2) + bias[:, None]) * (is_seen[:, None] / self.window)
        mixed = (weights @ value).transpose(1, 2).reshape(count, length, dim)
        fed = F.dropout(self.after(mixed) * gate, self.dropout, self.training)
        encoded: Tensor = listens + self.out(fed)
        return encoded


class _Lookup(torch.autograd.Function):
    """table[place] for a short table and millions of places; the gradient is added up in one order, so runs repeat."""

    @staticmethod
    def forward(context: Any, table: Tensor, place: Tensor) -> Tensor:
        context.save_for_backward(place)
        context.length = len(table)
        return table[place]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (place,), gradient = context.saved_tensors, gradients[0]
        return torch.bincount(place.flatten(), gradient.flatten(), minlength=context.length), None
