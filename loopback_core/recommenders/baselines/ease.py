"""EASE: the linear autoencoder with a closed form (Steck 2019), on tracks and on artists."""

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from loopback_core.data import FitData, Floats, Histories, Ragged, Ranking
from loopback_core.ranking.related_artists import ease_weights
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.baselines.matrices import RightFactor, Weights, by_artist, history_plays, silence, weigh
from loopback_core.recommenders.baselines.plays import Plays, plays_of_artists
from loopback_core.recommenders.baselines.shelves import Shelves
from loopback_core.retrieval.top_k import rank_rows, tie_order, top_k

LARGEST_INVERSE = 8_000
"""Rows of the largest matrix that is inverted: 0.5 GB in float64, and some ten seconds on two cores."""

COLUMNS_AT_ONCE = 65_536


class Ease:
    """B = I - P / diag(P) with P = (XᵀX + λI)⁻¹, and histories scored as h B.

    P is of items × items. Where there are fewer users than items the same B comes from a matrix of users × users, by
    Woodbury's identity: λP = I - XᵀKX with K = (XXᵀ + λI)⁻¹. Then hB = h - (h - hXᵀKX) / (1 - q), where q_j is x_jᵀKx_j
    and the division is by item. So the catalog may be of any size as long as the users are few.
    """

    def __init__(self, matrix: csr_array, regularisation: float) -> None:
        """matrix: X, (n_users, n_items). regularisation: λ > 0."""
        n_users, n_items = matrix.shape
        self._matrix = RightFactor(matrix)
        self._transposed = csr_array(matrix.T).astype(np.float32)
        if n_users <= n_items:
            gram = (matrix.astype(np.float64) @ matrix.T.astype(np.float64)).toarray()
            self._inverse = np.linalg.inv(gram + regularisation * np.eye(n_users)).astype(np.float32)
            self._rest: Floats | None = 1 - self._quadratic()
        else:
            gram = (matrix.T.astype(np.float64) @ matrix.astype(np.float64)).toarray()
            self._inverse = ease_weights(gram, regularisation)
            self._rest = None

    def score(self, history: csr_array) -> Floats:
        """h B for every row, dense (rows, n_items)."""
        if self._rest is None:
            return np.asarray(history @ self._inverse, np.float32)
        reached = np.asarray((history @ self._transposed) @ self._inverse, np.float32)  # (rows, n_users)
        scores = self._matrix.times_dense(reached)
        # h - (h - a) / rest, without a dense copy of h: only where h is not 0 do the two h differ from 0.
        scores /= self._rest
        row = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
        scores[row, history.indices] += history.data * (1 - 1 / self._rest[history.indices])
        return scores

    def _quadratic(self) -> Floats:
        """x_jᵀKx_j of every item, (n_items,), for a block of items at a time."""
        columns = self._matrix.matrix.tocsc()
        blocks = []
        for start in range(0, columns.shape[1], COLUMNS_AT_ONCE):
            block = columns[:, start : start + COLUMNS_AT_ONCE]
            blocks.append(np.asarray(block.multiply(self._inverse @ block).sum(axis=0)).ravel())
        return np.concatenate(blocks).astype(np.float32)


class EaseTracks(Baseline):
    """EASE on tracks."""

    id = "ease"
    colour = "#b07850"
    grid: ClassVar = {"regularisation": (100, 10, 30, 300, 1000, 3000), "weights": ("binary", "log")}

    def __init__(self, regularisation: float = 100, weights: Weights = "binary", seed: int = 0) -> None:
        super().__init__(seed)
        self.regularisation = regularisation
        self.weights: Weights = weights

    @classmethod
    def obstacle(cls, data: FitData) -> str | None:
        """See :class:`Baseline`."""
        return _too_large(data.catalog.n_users, data.catalog.n_tracks, "tracks")

    def fit(self, data: FitData) -> Self:
        """Invert one matrix."""
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        self._ease = Ease(weigh(data.plays, self.weights), self.regularisation)
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks. Holds a block of (rows, n_tracks) scores."""
        plays = weigh(history_plays(histories, len(self._tie_rank)), self.weights)
        return top_k(silence(self._ease.score(plays), plays), k, self._tie_rank, exclude)


class EaseArtists(Baseline):
    """EASE on artists, with the user's own artists added, spread to their tracks by popularity.

    Score = ((1 - own) × EASE's score of the artist + own × the user's decayed plays of the artist, both as a share of
    the user's largest) × the track's listeners ** power.
    """

    id = "ease_artists"
    colour = "#a3795c"
    ranking_only = frozenset({"own", "half_life_days", "power"})
    grid: ClassVar = {
        "own": (0.5, 0.0, 0.25, 0.75, 0.9),
        "half_life_days": (30, 7, 14, 60),
        "power": (0.5, 0.25, 0.75, 1.0),
        "regularisation": (100, 10, 1000),
    }

    def __init__(
        self,
        own: float = 0.5,
        half_life_days: float = 30,
        power: float = 0.5,
        regularisation: float = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.own, self.half_life_days, self.power, self.regularisation = own, half_life_days, power, regularisation

    @classmethod
    def obstacle(cls, data: FitData) -> str | None:
        """See :class:`Baseline`."""
        return _too_large(data.catalog.n_users, data.catalog.n_artists, "artists")

    def fit(self, data: FitData) -> Self:
        """Invert one matrix."""
        self._catalog = data.catalog
        self._shelves = Shelves(data.catalog, data.catalog.listeners)
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        self._ease = Ease(weigh(by_artist(data.plays, data.catalog), "log"), self.regularisation)
        return self

    def prepare(self, histories: Histories) -> tuple[Plays, Floats]:
        """The plays of artists, and the share that EASE gives every artist, (rows, n_artists). See :meth:`Baseline.prepare`."""
        plays = plays_of_artists(histories, self._catalog)
        logs = np.log1p(plays.count().astype(np.float32))
        shape = len(histories), self._catalog.n_artists
        learned = self._ease.score(csr_array((logs, plays.items.values, plays.items.offsets), shape))
        for of_ease in learned:
            of_ease[:] = _share(of_ease)
        return plays, learned

    def rank(self, prepared: tuple[Plays, Floats], k: int, exclude: Ragged | None) -> Ranking:
        """See :meth:`Baseline.rank`."""
        contenders = self._shelves.contenders(self._artists(*prepared), self.power, k, exclude, np.float32)
        return rank_rows(contenders, len(prepared[1]), k, self._tie_rank, exclude)

    def _artists(self, plays: Plays, learned: Floats) -> Iterator[Floats]:
        """Row by row the score of every artist, (n_artists,)."""
        affinity = plays.decayed_without_the_lightest(self.half_life_days)
        for row, of_ease in enumerate(learned):
            of_user = affinity[plays.items.offsets[row] : plays.items.offsets[row + 1]]
            scores: Floats = np.float32(1 - self.own) * of_ease
            scores[plays.items[row]] += np.float32(self.own) * _share(of_user)
            yield scores


def _share(scores: Floats) -> Floats:
    """Positive scores as a share of the largest."""
    positive: Floats = np.maximum(scores, 0)
    return positive / np.float32(max(float(positive.max(initial=0)), 1e-12))


def _too_large(n_users: int, n_items: int, what: str) -> str | None:
    if min(n_users, n_items) <= LARGEST_INVERSE:
        return None
    return f"EASE inverts a matrix of users or of {what}, and both {n_users:,} and {n_items:,} are above {LARGEST_INVERSE:,}"
