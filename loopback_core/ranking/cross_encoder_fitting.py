"""The cross-encoder as a corrector: fitted by the listwise softmax of the linear score."""

import copy

import numpy as np
import torch
from torch import Tensor

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import BestCandidates
from loopback_core.ranking.cross_encoder import CrossEncoder, NeuralRanker, PaddedCandidates
from loopback_core.ranking.cross_fitting import Method
from loopback_core.ranking.listwise import CONSTANT
from loopback_core.ranking.rank_requests import RankRequests

REQUESTS_OF_A_STEP = 32

NOTHING_ELSE = -1e9
"""The score of what is no candidate: a softmax over nothing has no gradient."""

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2


class CrossEncoding(Method):
    """A step is a pass over the requests; what is kept of a fitting are the weights after every pass."""

    kind = "cross_encoder"
    steps = (1, 2, 3, 4, 6, 8)

    def __init__(self, vectors: Floats) -> None:
        """vectors: (n_tracks, D) of the catalog that the requests were asked of."""
        self.vectors = vectors

    def fit(self, requests: RankRequests, steps: int, seed: int) -> list[CrossEncoder]:
        """See :class:`Method`."""
        rng, after = np.random.default_rng(seed), []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = CrossEncoder(self.vectors.shape[1])
            model.get_buffer("mean").copy_(torch.from_numpy(requests.features.mean(axis=0)))
            model.get_buffer("spread").copy_(torch.from_numpy(np.maximum(requests.features.std(axis=0), CONSTANT)))
            optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
            for _ in range(steps):
                model.train()
                order = rng.permutation(len(requests))
                for start in range(0, len(order), REQUESTS_OF_A_STEP):
                    some = np.zeros(len(requests), np.bool_)
                    some[order[start : start + REQUESTS_OF_A_STEP]] = True
                    optimizer.zero_grad(set_to_none=True)
                    _loss(model, requests.where(some), self.vectors).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                after.append(copy.deepcopy(model).eval())
        return after

    def corrected(self, fitted: list[CrossEncoder], best: BestCandidates, steps: int) -> Floats:
        """See :class:`Method`."""
        ends = np.concatenate([[0], np.cumsum(best.lengths)])
        ranker, parts = self.corrector(fitted, steps, 0), [np.zeros(0, np.float32)]
        for start in range(0, len(best.lengths), REQUESTS_OF_A_STEP):
            rows = np.arange(start, min(start + REQUESTS_OF_A_STEP, len(best.lengths)))
            inside = slice(ends[rows[0]], ends[rows[-1] + 1])
            some = BestCandidates(
                best.features[inside],
                best.scores[inside],
                best.lengths[rows],
                best.track[inside],
                best.history.take(rows),
            )
            parts.append(ranker.corrected(some, self.vectors))
        return np.concatenate(parts)

    def corrector(self, fitted: list[CrossEncoder], steps: int, places: int) -> NeuralRanker:
        """See :class:`Method`."""
        return NeuralRanker(fitted[steps - 1], places)


def _loss(model: CrossEncoder, requests: RankRequests, vectors: Floats) -> Tensor:
    """The mean over requests and their positives of -log softmax of the positive among all that are no positives; see
    :class:`loopback_core.ranking.listwise.ListwiseLoss`."""
    inputs = PaddedCandidates.of(requests, vectors)
    scores = model(inputs)
    is_positive = torch.zeros_like(inputs.is_candidate)
    is_positive[inputs.is_candidate] = torch.from_numpy(requests.is_positive)
    others = scores.masked_fill(is_positive | ~inputs.is_candidate, NOTHING_ELSE).logsumexp(dim=1, keepdim=True)
    missed = torch.logaddexp(scores, others) - scores
    of_requests: Tensor = (missed * is_positive).sum(dim=1) / is_positive.sum(dim=1)
    return of_requests.mean()
