"""The trained towers as recommenders: by exact scores, and through the index."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, FitData, Floats, Histories, Ids, Ragged, distinct_in_rows
from loopback_core.features.popularity import popularity_columns
from loopback_core.recommender import NOTHING, Ranking
from loopback_core.retrieval.embed import user_vectors
from loopback_core.retrieval.index import VectorIndex
from loopback_core.retrieval.ranking import tie_order, top_k, top_k_sparse
from loopback_core.retrieval.related import RelatedArtists
from loopback_core.retrieval.scoring import (
    ALONE,
    Prior,
    Scoring,
    add_prior,
    lookup,
    personal_prior,
    queries,
)
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING


@dataclass(frozen=True)
class Served:
    """All that a served score is made of."""

    model: TwoTower
    catalog: Catalog
    vectors: Floats  # (n_candidates, D) of unit norm, of the tracks that may be recommended
    popularity: Floats  # (n_candidates, 2); zeros for tracks beyond the catalog
    candidate_artist: NDArray[np.int32]  # (n_candidates,)
    scoring: Scoring = ALONE
    intent: int = ANYTHING
    related: RelatedArtists | None = None

    @classmethod
    def in_catalog(
        cls,
        model: TwoTower,
        data: FitData,
        vectors: Floats,
        scoring: Scoring = ALONE,
        intent: int = ANYTHING,
        related: RelatedArtists | None = None,
    ) -> Self:
        """What is served from the catalog of `data`. vectors: (n_tracks, D) of all its tracks."""
        popularity = popularity_columns(data)
        return cls(model, data.catalog, vectors, popularity, data.catalog.artist, scoring, intent, related)

    def users(self, histories: Histories) -> Floats:
        """(rows, D): user vectors divided by the temperature."""
        vectors = user_vectors(self.model, histories, self.catalog.artist, self.intent)
        return vectors * np.float32(self.model.inverse_temperature().item())

    def queries(self, histories: Histories) -> Floats:
        """(rows, D + 2) to ask an index of :func:`indexed_vectors` with."""
        return queries(self.users(histories), self.scoring, self.popularity)

    def liked_by_all(self) -> Floats:
        """(n_candidates,): what popularity adds to every user's score."""
        liked: Floats = self.popularity @ np.array([self.scoring.popularity, self.scoring.trend], np.float32)
        return liked

    @cached_property
    def n_artists(self) -> int:
        """Artists of the catalog and of the candidates."""
        return int(max(self.candidate_artist.max(initial=-1) + 1, self.catalog.n_artists))

    @cached_property
    def tracks_of_artist(self) -> Ragged:
        """Row a: the candidates by artist a."""
        everything = np.arange(len(self.candidate_artist))
        return Ragged.from_pairs(self.candidate_artist.astype(np.int64), everything, self.n_artists)

    def read(self, histories: Histories) -> "Asked":
        """The users of these histories, and what their own plays add: read once for whoever recommends by this model."""
        prior = personal_prior(histories, self.catalog.artist, self.scoring, self.related)
        return Asked(self.users(histories), prior)


@dataclass(frozen=True)
class Asked:
    """What recommending takes from some histories; see :meth:`Served.read`."""

    users: Floats  # (rows, D) divided by the temperature
    prior: Prior


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
        """See :class:`loopback_core.recommender.Recommender`."""
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


class IndexRecommender:
    """The same score, found by the nearest-neighbour index.

    The index finds the best by all but the personal prior; what the prior can lift is little: tracks of the history, of
    its dearest artists and of those most related to them. These are scored beside what was found, and the best of both
    are the best of all, as far as the index is exact.
    """

    id = "two_tower_index"

    def __init__(self, served: Served, index: VectorIndex, seed: int) -> None:
        self.served, self.index = served, index
        self._liked = served.liked_by_all()
        self.tie_rank = tie_order(len(served.vectors), seed)

    def fit(self, data: FitData) -> Self:
        """Nothing to learn: the index was built before."""
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommender.Recommender`."""
        return self.rank(self.served.read(histories), k, exclude)

    def rank(self, asked: Asked, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of the users who ask."""
        users, prior = asked.users, asked.prior
        found = self.index.search(queries(users, self.served.scoring, self.served.popularity), k, exclude)
        if not len(prior.tracks.row) and not len(prior.artists.row):
            return found
        candidates = self._candidates(found, prior)
        row, track = candidates.row_numbers(), candidates.values
        # Row by row: the vectors of all candidates at once, and the user beside each, would be a gigabyte.
        products = [self.served.vectors[candidates[i]] @ user for i, user in enumerate(users)]
        scores = np.concatenate(products) + self._liked[track]
        artist = self.served.candidate_artist[track].astype(np.int64)
        scores += lookup(prior.tracks, row, track, len(self.served.vectors))[:, 0]
        scores += lookup(prior.artists, row, artist, self.served.n_artists)[:, 0]
        return top_k_sparse(candidates, scores.astype(np.float32), k, self.tie_rank, exclude)

    def _candidates(self, found: Ranking, prior: Prior) -> Ragged:
        """What was found, what was played, and the tracks of the prior's artists: distinct tracks for each row."""
        row, place = np.nonzero(found.tracks != NOTHING)
        of_artists = self.served.tracks_of_artist.take(prior.artists.items)
        rows = [row, prior.tracks.row, np.repeat(prior.artists.row, of_artists.lengths)]
        tracks: list[Ids] = [found.tracks[row, place], prior.tracks.items, of_artists.values]
        every = Ragged.from_pairs(np.concatenate(rows), np.concatenate(tracks), len(found.tracks))
        return distinct_in_rows(every.offsets, every.values, len(self.served.vectors))[0]
