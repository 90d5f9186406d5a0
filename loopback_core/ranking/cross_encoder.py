"""A small cross-encoder: each candidate looks at the last listens of the user, and corrects its linear score."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import RANK_FEATURES, BestCandidates
from loopback_core.ranking.scorer import LAST_LISTENS

WIDTH, HEADS, DROPOUT = 64, 4, 0.1

FARTHEST = 5.0
"""Standard deviations at which a feature is cut off."""


class CrossEncoder(nn.Module):
    """score = linear score + f(candidate, what it finds among the last listens, features).

    Attention goes one way, from the candidate to the listens, so what is read of a track depends on no user (Zhou et al. 2018,
    "Deep Interest Network", with the frozen states of the track tower). f starts at 0, which is the linear score.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        n_features = len(RANK_FEATURES)
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))
        self.query, self.key, self.value = (nn.Linear(dim, WIDTH) for _ in range(3))
        self.place = nn.Embedding(LAST_LISTENS, WIDTH)  # 0: the latest listen
        self.track = nn.Linear(dim, WIDTH)
        self.hidden = nn.Linear(3 * WIDTH + n_features, 2 * WIDTH)
        self.out = nn.Linear(2 * WIDTH, 1)
        nn.init.zeros_(self.place.weight)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, inputs: "PaddedCandidates") -> Tensor:
        """(B, N) corrected scores."""
        context, track = self._attend(inputs), F.silu(self.track(inputs.tracks))
        mean, spread = self.get_buffer("mean"), self.get_buffer("spread")
        features = ((inputs.features - mean) / spread).clamp(-FARTHEST, FARTHEST)
        together = torch.cat([context, track, context * track, features], dim=-1)
        hidden = F.dropout(F.silu(self.hidden(together)), DROPOUT, self.training)
        corrected: Tensor = inputs.scores + self.out(hidden).squeeze(-1)
        return corrected

    def _attend(self, inputs: "PaddedCandidates") -> Tensor:
        """(B, N, WIDTH): what each candidate finds among the listens; 0 where there are none."""
        place = torch.arange(inputs.listens.shape[1] - 1, -1, -1, device=inputs.listens.device)
        keys = self.key(inputs.listens) + self.place(place)
        query, keys, values = (_by_head(x) for x in (self.query(inputs.tracks), keys, self.value(inputs.listens)))
        nobody = ~inputs.is_heard.any(dim=1)
        is_seen = (inputs.is_heard | nobody[:, None])[:, None, None]  # a softmax over nothing is not a number
        found = F.scaled_dot_product_attention(query, keys, values, attn_mask=is_seen)
        context = found.transpose(1, 2).flatten(2)
        return torch.where(nobody[:, None, None], 0.0, context)


def _by_head(x: Tensor) -> Tensor:
    """(B, n, WIDTH) -> (B, HEADS, n, WIDTH / HEADS)."""
    return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)


@dataclass(frozen=True)
class PaddedCandidates:
    """Requests as tensors, padded to the longest of them."""

    features: Tensor  # (B, N, features)
    scores: Tensor  # (B, N)
    tracks: Tensor  # (B, N, D)
    is_candidate: Tensor  # (B, N) bool
    listens: Tensor  # (B, LAST_LISTENS, D), the latest last
    is_heard: Tensor  # (B, LAST_LISTENS) bool

    @classmethod
    def of(cls, best: BestCandidates, vectors: Floats) -> "PaddedCandidates":
        """vectors: (n_tracks, D) of the catalog."""
        shape = (len(best.lengths), int(best.lengths.max()))
        is_candidate = np.arange(shape[1]) < best.lengths[:, None]
        features = np.zeros((*shape, best.features.shape[1]), np.float32)
        scores, tracks = np.zeros(shape, np.float32), np.zeros((*shape, vectors.shape[1]), np.float32)
        features[is_candidate], scores[is_candidate] = best.features, best.scores
        tracks[is_candidate] = vectors[best.track]
        is_heard = np.arange(LAST_LISTENS) >= LAST_LISTENS - best.history.lengths[:, None]
        listens = np.zeros((*is_heard.shape, vectors.shape[1]), np.float32)
        listens[is_heard] = vectors[best.history.values]
        arrays = (features, scores, tracks, is_candidate, listens, is_heard)
        return cls(*map(torch.from_numpy, arrays))


@dataclass(frozen=True)
class NeuralRanker:
    """A cross-encoder that corrects the `places` best candidates."""

    model: CrossEncoder
    places: int

    @torch.no_grad()
    def corrected(self, best: BestCandidates, vectors: Floats) -> Floats:
        """See :class:`loopback_core.ranking.corrector.Corrector`."""
        inputs = PaddedCandidates.of(best, vectors)
        corrected: Floats = self.model.eval()(inputs)[inputs.is_candidate].numpy()
        return corrected
