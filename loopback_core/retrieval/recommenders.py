"""The trained towers as recommenders: by exact scores, and through the index."""

from typing import Self

from loopback_core.data import FitData, Floats, Histories, Ragged
from loopback_core.recommender import Ranking
from loopback_core.retrieval.embed import user_vectors
from loopback_core.retrieval.index import VectorIndex
from loopback_core.retrieval.ranking import tie_order, top_k
from loopback_core.towers.two_tower import TwoTower


class TowersRecommender:
    """Every candidate scored by the dot product of the two towers' vectors."""

    id = "two_tower"

    def __init__(self, model: TwoTower, vectors: Floats, seed: int) -> None:
        """vectors: (n_candidates, D) of the tracks 0, 1, …; seed: of the permutation that breaks ties."""
        self.model, self.vectors = model, vectors
        self.tie_rank = tie_order(len(vectors), seed)

    def fit(self, data: FitData) -> Self:
        """The towers were fitted by the training loop; what they read of `data` comes in with each history."""
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommender.Recommender`. Holds a block of (rows, n_candidates) scores."""
        return top_k(user_vectors(self.model, histories) @ self.vectors.T, k, self.tie_rank, exclude)


class IndexRecommender:
    """The same score, found by the nearest-neighbour index."""

    id = "two_tower_index"

    def __init__(self, model: TwoTower, index: VectorIndex) -> None:
        self.model, self.index = model, index

    def fit(self, data: FitData) -> Self:
        """Nothing to learn: the index was built before."""
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommender.Recommender`."""
        return self.index.search(user_vectors(self.model, histories), k, exclude)
