"""The cross-encoder as a corrector: it learns what trees say, and the listwise softmax of the linear score."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import BestCandidates
from loopback_core.ranking.cross_encoder import CrossEncoder, NeuralRanker, PaddedCandidates
from loopback_core.ranking.cross_fitting import Fitting, Method
from loopback_core.ranking.listwise import CONSTANT
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.tree_fitting import Trees

REQUESTS_OF_A_STEP = 32

NOTHING_ELSE = -1e9
"""The score of what is no candidate: a softmax over nothing has no gradient."""

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2

TEACHER_TREES, TAUGHT = 100, 0.9
"""Trees of the teacher, and the share of the loss that is its. The softmax alone weighs the hundredth positive of a list like the
first; trees are fitted to the gain of the first places, and what they say of every candidate is much more than which were played."""


class CrossEncoderFitting(Fitting):
    """A cross-encoder, of which the weights after every pass are kept.

    Most of its loss is the cross-entropy to the softmax of the scores of trees that were fitted on the same requests (distillation:
    Hinton et al. 2015).
    """

    def __init__(self, requests: RankRequests, vectors: Floats, seed: int) -> None:
        """vectors: (n_tracks, D) of the catalog that the requests were asked of."""
        self.requests, self.vectors = requests, vectors
        self._rng, self._random = np.random.default_rng(seed), torch.Generator().manual_seed(seed).get_state()
        self._after: list[CrossEncoder] = []
        with self._own_random_numbers():
            self._model = CrossEncoder(vectors.shape[1])
        self._model.get_buffer("mean").copy_(torch.from_numpy(requests.features.mean(axis=0)))
        spread = np.maximum(requests.features.std(axis=0), CONSTANT)
        self._model.get_buffer("spread").copy_(torch.from_numpy(spread))
        self._taught = _softmax(Trees().fit(requests, TEACHER_TREES, seed).corrected(requests, TEACHER_TREES), requests)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    @contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Those of torch go on where this fitting took the last one, whatever else took some meanwhile."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            yield
            self._random = torch.get_rng_state()

    def advance(self, steps: int) -> None:
        """See :class:`Fitting`."""
        with self._own_random_numbers():
            while len(self._after) < steps:
                self._pass()
                self._after.append(copy.deepcopy(self._model).eval())

    def _pass(self) -> None:
        self._model.train()
        order = self._rng.permutation(len(self.requests))
        for start in range(0, len(order), REQUESTS_OF_A_STEP):
            some = np.zeros(len(self.requests), np.bool_)
            some[order[start : start + REQUESTS_OF_A_STEP]] = True
            self._optimizer.zero_grad(set_to_none=True)
            taught = self._taught[np.repeat(some, self.requests.lengths)]
            _loss(self._model, self.requests.where(some), self.vectors, taught).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def corrected(self, best: BestCandidates, steps: int) -> Floats:
        """See :class:`Fitting`."""
        ends = np.concatenate([[0], np.cumsum(best.lengths)])
        ranker, parts = self.corrector(steps, 0), [np.zeros(0, np.float32)]
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

    def corrector(self, steps: int, places: int) -> NeuralRanker:
        """See :class:`Fitting`."""
        return NeuralRanker(self._after[steps - 1], places)


class CrossEncoding(Method):
    """A cross-encoder; a step is a pass over the requests."""

    kind = "cross_encoder"
    steps = (2, 4, 6, 8, 12, 16)

    def __init__(self, vectors: Floats) -> None:
        """vectors: (n_tracks, D) of the catalog that the requests were asked of."""
        self.vectors = vectors

    def begin(self, requests: RankRequests, seed: int) -> CrossEncoderFitting:
        """See :class:`Method`."""
        return CrossEncoderFitting(requests, self.vectors, seed)


def _loss(model: CrossEncoder, requests: RankRequests, vectors: Floats, taught: Floats) -> Tensor:
    """TAUGHT times the cross-entropy to the teacher, and the rest of the listwise loss; means over requests.

    The listwise loss is the mean over the positives of a request of -log softmax of the positive among all that are no positives; see
    :class:`loopback_core.ranking.listwise.ListwiseLoss`. taught: (n,) shares of the candidates of each request.
    """
    inputs = PaddedCandidates.of(requests, vectors)
    scores = model(inputs)
    is_positive, shares = torch.zeros_like(inputs.is_candidate), torch.zeros_like(scores)
    is_positive[inputs.is_candidate] = torch.from_numpy(requests.is_positive)
    shares[inputs.is_candidate] = torch.from_numpy(taught)
    others = scores.masked_fill(is_positive | ~inputs.is_candidate, NOTHING_ELSE).logsumexp(dim=1, keepdim=True)
    missed = torch.logaddexp(scores, others) - scores
    listwise: Tensor = ((missed * is_positive).sum(dim=1) / is_positive.sum(dim=1)).mean()
    told = scores.masked_fill(~inputs.is_candidate, NOTHING_ELSE).log_softmax(dim=1)
    loss: Tensor = (1 - TAUGHT) * listwise - TAUGHT * (shares * told).sum(dim=1).mean()
    return loss


def _softmax(scores: Floats, requests: RankRequests) -> Floats:
    """(n,): the share of each candidate in the softmax of its request."""
    starts = np.cumsum(requests.lengths) - requests.lengths
    likely = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), requests.lengths))
    shares: Floats = likely / np.repeat(np.add.reduceat(likely, starts), requests.lengths)
    return shares.astype(np.float32)
