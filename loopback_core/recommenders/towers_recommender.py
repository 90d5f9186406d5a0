"""The trained towers as a recommender: every candidate scored exactly."""

from typing import Self

from loopback_core.data import FitData, Floats, Histories, Ragged, Ranking
from loopback_core.ranking.pair_features import Prior
from loopback_core.ranking.scorer import EncodedUsers, Scorer
from loopback_core.retrieval.top_k import tie_order, top_k


class TowersRecommender:
    """Every candidate scored exactly."""

    def __init__(self, scorer: Scorer, seed: int, id: str = "two_tower") -> None:
        """seed: of the permutation that breaks ties."""
        self.id, self.scorer = id, scorer
        self.tie_rank = tie_order(len(scorer.vectors), seed)

    def fit(self, data: FitData) -> Self:
        """The towers were fitted by the training loop; what they read of `data` comes in with each history."""
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommenders.recommender.Recommender`."""
        return self.rank(self.scorer.encode(histories), k, exclude)

    def rank(self, users: EncodedUsers, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of each user. Holds a block of (rows, n_candidates) scores."""
        return self.rank_products(users.vectors @ self.scorer.vectors.T, users.prior, k, exclude)

    def rank_products(self, products: Floats, prior: Prior, k: int, exclude: Ragged | None) -> Ranking:
        """The same from the inner products of users and candidates, (rows, n_candidates), which are changed in place."""
        self.scorer.add_terms(products, prior)
        return top_k(products, k, self.tie_rank, exclude)
