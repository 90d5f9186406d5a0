"""The trained towers as a recommender: every candidate scored exactly."""

from typing import Self

from loopback_core.data import FitData, Floats, Histories, Ragged, Ranking
from loopback_core.ranking.linear import ALONE, Prior, add_prior
from loopback_core.ranking.served import Asked, Served
from loopback_core.retrieval.top_k import tie_order, top_k


class TowersRecommender:
    """Every candidate scored exactly."""

    def __init__(self, served: Served, seed: int, id: str = "two_tower") -> None:
        """seed: of the permutation that breaks ties."""
        self.id, self.served = id, served
        self._liked = served.liked_by_all()
        self.tie_rank = tie_order(len(served.vectors), seed)

    def fit(self, data: FitData) -> Self:
        """The towers were fitted by the training loop; what they read of `data` comes in with each history."""
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommenders.recommender.Recommender`."""
        return self.rank(self.served.read(histories), k, exclude)

    def rank(self, asked: Asked, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of the users who ask. Holds a block of (rows, n_candidates) scores."""
        return self.rank_products(asked.users @ self.served.vectors.T, asked.prior, k, exclude)

    def rank_products(self, products: Floats, prior: Prior, k: int, exclude: Ragged | None) -> Ranking:
        """The same from the inner products of users and candidates, (rows, n_candidates), to which the rest is added."""
        if self.served.scoring != ALONE:
            products += self._liked
            add_prior(products, prior, self.served.candidate_artist, self.served.n_artists)
        return top_k(products, k, self.tie_rank, exclude)
