"""When a request is made: its hour, weekday and place in the session; and the vectors of such codes."""

import numpy as np
import torch
from torch import Tensor, nn

from loopback_core.data import SESSION_GAP, Histories, Ids
from loopback_core.towers.decayed_counts import Moments

CONTEXT_SIZES = (25, 8, 9)
"""Codes of the hour, the weekday (both UTC) and the listens of the session so far, by powers of two; 0: unknown."""


def request_context(histories: Histories, moments: Moments) -> Ids:
    """(A, 3) codes of each request, below CONTEXT_SIZES."""
    stamps, offsets = histories.timestamps, histories.tracks.offsets
    new_session = np.diff(stamps, prepend=-np.inf) >= SESSION_GAP
    new_session[offsets[:-1][offsets[:-1] < len(stamps)]] = True
    place = np.arange(len(stamps))
    listens = place - np.maximum.accumulate(np.where(new_session, place, 0)) + 1  # of the session, this one included
    last = moments.place - 1
    heard = last >= offsets[moments.row]
    last = np.where(heard, last, 0)
    if len(stamps):
        goes_on = heard & (moments.now - stamps[last] < SESSION_GAP)
        so_far = np.where(goes_on, listens[last], 0)
    else:
        so_far = np.zeros(len(moments), np.int64)
    hour, weekday = moments.now // 3600 % 24, (moments.now // 86_400 + 3) % 7  # 1970-01-01 was a Thursday
    session = np.minimum(np.log2(so_far + 1), CONTEXT_SIZES[2] - 2)
    return np.stack([hour, weekday, session.astype(np.int64)], axis=1) + 1


class CodeEmbedding(nn.Module):
    """The sum of a vector for each code of a row; all start at zero, and a row of zeros stays there.

    In training whole rows are left out at random: the towers also answer users about whom nothing is known.
    """

    def __init__(self, sizes: tuple[int, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.first: Tensor
        self.register_buffer("first", torch.tensor([0, *np.cumsum(sizes[:-1])]), persistent=False)
        self.vectors = nn.Embedding(sum(sizes), dim)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, codes: Tensor) -> Tensor:
        """codes: (..., columns) int64 -> (..., dim)."""
        known = (codes > 0).to(self.vectors.weight.dtype)
        if self.training and self.dropout:
            known = known * (torch.rand(*codes.shape[:-1], 1, device=codes.device) >= self.dropout)
        vectors: Tensor = (self.vectors(codes + self.first) * known[..., None]).sum(dim=-2)
        return vectors
