"""Matrix factorisation, through the implicit library: iALS and BPR."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from loopback_core.data import FitData, Floats, Histories, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.baselines.matrices import history_plays, silence, weigh
from loopback_core.retrieval.top_k import tie_order, top_k


class Factors(Baseline):
    """Users and tracks as vectors, ranked by their inner product."""

    def fit(self, data: FitData) -> Self:
        """Train the vectors. The threads of implicit compete with those of the BLAS, so these are limited to one."""
        import implicit  # noqa: F401  loads the BLAS that is then limited

        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        with threadpool_limits(1, "blas"):
            self._model = self.model()
            self._model.fit(csr_matrix(self.confidence(data.plays)), show_progress=False)
        return self

    def confidence(self, plays: csr_array) -> csr_array:
        """The matrix that the model is fitted to, of the same shape."""
        return weigh(plays, "log")

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks. Holds a block of (rows, n_tracks) scores."""
        return top_k(self.score(histories), k, self._tie_rank, exclude)

    @abstractmethod
    def score(self, histories: Histories) -> Floats:
        """The score of every track, (rows, n_tracks); -inf in rows without information."""

    @abstractmethod
    def model(self) -> Any:
        """The untrained model."""


class IALS(Factors):
    """Alternating least squares on implicit feedback (Hu, Koren & Volinsky 2008), confidence 1 + alpha log(1 + plays).

    Vectors of users are solved for from the history of the request, so new users get recommendations too.
    """

    id = "ials"
    colour = "#b98500"
    grid: ClassVar = {"alpha": (1, 0.1, 10), "factors": (64, 16, 128), "regularisation": (1.0, 0.1, 10.0, 100.0)}

    def __init__(self, alpha: float = 1, factors: int = 64, regularisation: float = 1.0, seed: int = 0) -> None:
        super().__init__(seed)
        self.alpha, self.factors, self.regularisation = alpha, factors, regularisation

    def model(self) -> Any:
        """See :class:`Factors`."""
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            factors=self.factors, regularization=self.regularisation, alpha=1.0, random_state=self.seed
        )

    def confidence(self, plays: csr_array) -> csr_array:
        """1 + alpha log(1 + plays). implicit takes the entries as they are, without the 1 of the paper."""
        logs = weigh(plays, "log")
        return csr_array((1 + self.alpha * logs.data, logs.indices, logs.indptr), logs.shape)

    def score(self, histories: Histories) -> Floats:
        """See :class:`Factors`."""
        plays = self.confidence(history_plays(histories, len(self._tie_rank)))
        with threadpool_limits(1, "blas"):
            users = self._model.recalculate_user(np.arange(len(histories)), csr_matrix(plays))
        return silence(users @ self._model.item_factors.T, plays)


class BPR(Factors):
    """Bayesian personalised ranking (Rendle et al. 2009): tracks that a user played ranked above those not played.

    A user whom the fit data does not know gets the mean vector of the plays in the history.
    """

    id = "bpr"
    colour = "#a08000"
    grid: ClassVar = {"factors": (64, 32, 128), "learning_rate": (0.05, 0.01), "regularisation": (0.01, 0.1)}

    def __init__(
        self, factors: int = 64, learning_rate: float = 0.05, regularisation: float = 0.01, seed: int = 0
    ) -> None:
        super().__init__(seed)
        self.factors, self.learning_rate, self.regularisation = factors, learning_rate, regularisation

    def model(self) -> Any:
        """See :class:`Factors`. One thread: several overwrite each other's updates, and runs would differ."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        return BayesianPersonalizedRanking(
            factors=self.factors,
            learning_rate=self.learning_rate,
            regularization=self.regularisation,
            iterations=100,
            num_threads=1,
            random_state=self.seed,
        )

    def score(self, histories: Histories) -> Floats:
        """See :class:`Factors`."""
        known = (histories.users >= 0) & (histories.users < len(self._model.user_factors))
        users: Floats = self._model.user_factors[np.where(known, histories.users, 0)]
        if not known.all():
            plays = history_plays(histories, len(self._tie_rank))
            mean = plays @ self._model.item_factors / np.maximum(plays.sum(axis=1), 1)[:, None]
            mean[:, -1] = 1  # the place of every track's bias
            users = np.where(known[:, None], users, mean).astype(np.float32)
        scores: Floats = users @ self._model.item_factors.T
        return scores
