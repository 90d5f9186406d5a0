"""The score that is served: the towers and the terms together, for any history and any candidate."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Histories, Ids, Ragged
from loopback_core.features.track_content import track_content
from loopback_core.ranking.catalog_values import catalog_values
from loopback_core.ranking.corrector import Corrector
from loopback_core.ranking.linear_ranker import PRODUCT, TOWERS_ALONE, LinearRanker
from loopback_core.ranking.pair_features import (
    PersonalBags,
    Prior,
    add_prior,
    pair_features,
    personal_bags,
    personal_prior,
)
from loopback_core.ranking.relations import NO_RELATIONS, Relations
from loopback_core.ranking.terms import CATALOG_FEATURES, POPULARITY_COLUMN, Knowledge, Listened
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.tasks.task import Task
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, ONLY_NEW

LAST_LISTENS = 50
"""The last listens that a corrector may read."""

NO_LISTENS = Ragged(np.zeros(1, np.int64), np.zeros(0, np.int64))


def last_listens(histories: Histories, n_tracks: int) -> Ragged:
    """Row r: the last LAST_LISTENS listens of history r, oldest first, those to tracks beyond the catalog left out."""
    tracks = histories.tracks
    starts = np.maximum(tracks.offsets[1:] - LAST_LISTENS, tracks.offsets[:-1])
    last = Ragged.between(tracks.values, starts, tracks.offsets[1:])
    known = last.values < n_tracks
    return Ragged.from_pairs(last.row_numbers()[known], last.values[known].astype(np.int64), len(last))


@dataclass(frozen=True)
class EncodedUsers:
    """What a score reads of some histories; see :meth:`Scorer.encode`."""

    vectors: Floats  # (rows, D) divided by the temperature
    prior: Prior
    bags: PersonalBags = field(default_factory=list)  # where a corrector reads them
    last: Ragged = NO_LISTENS  # row r: the last listens to tracks of the catalog, oldest first; also for a corrector

    def of_row(self, row: int) -> "EncodedUsers":
        """One of them."""
        bags = [(term, bag.of_row(row)) for term, bag in self.bags]
        last = self.last if self.last is NO_LISTENS else self.last.take(np.array([row]))
        return EncodedUsers(self.vectors[row : row + 1].copy(), self.prior.of_row(row), bags, last)


@dataclass(frozen=True)
class Scorer:
    """Scores candidates for users."""

    model: TwoTower
    knowledge: Knowledge
    vectors: Floats  # (n_candidates, D) of unit norm, of the tracks that may be recommended
    catalog_values: Floats  # (n_candidates, catalog features); zeros for tracks beyond the catalog
    candidate_artist: NDArray[np.int32]  # (n_candidates,)
    ranker: LinearRanker = TOWERS_ALONE
    intent: int = ANYTHING
    first_candidate: int = 0  # id in the log of the first candidate
    corrector: Corrector | None = None  # of the scores of the best candidates

    def users(self, histories: Histories) -> Floats:
        """(rows, D): user vectors divided by the temperature."""
        vectors = user_vectors(self.model, histories, self.knowledge.artist_of, self.intent)
        return vectors * np.float32(self.model.inverse_temperature().item())

    def encode(self, histories: Histories, listened: Listened | None = None) -> EncodedUsers:
        """The users of these histories and the personal prior: once for all recommenders that use this score.

        listened: of the same histories, where other tasks read them too.
        """
        listened = listened or Listened(histories, self.knowledge)
        users, prior = self.users(histories), personal_prior(listened, self.ranker)
        if self.corrector is None:
            return EncodedUsers(users, prior)
        last = last_listens(histories, self.knowledge.catalog.n_tracks)
        return EncodedUsers(users, prior, personal_bags(listened), last)

    def add_terms(self, products: Floats, prior: Prior) -> None:
        """Make the scores of all candidates, (rows, n_candidates), of the products of users and candidates, in place."""
        if self.ranker == TOWERS_ALONE:
            return
        products *= self.product_weight
        products += self.of_catalog_terms
        add_prior(products, prior, self.tracks_of_artist, self.popularity)

    def features(self, users: Floats, bags: PersonalBags, row: Ids, track: Ids) -> Floats:
        """(n, len(FEATURES)) float32: all features of n pairs of a user and a candidate.

        users: (rows, D) divided by the temperature. bags: of the histories of those rows. row, track: (n,) numbers of the
        user and of the candidate.
        """
        product = np.einsum("nd,nd->n", self.vectors[track], users[row])
        artist = self.candidate_artist[track].astype(np.int64)
        personal = pair_features(bags, row, track + self.first_candidate, artist, self.popularity[track])
        features: Floats = np.concatenate([product[:, None], self.catalog_values[track], personal], axis=1)
        return features.astype(np.float32, copy=False)

    @cached_property
    def of_catalog_terms(self) -> Floats:
        """(n_candidates,): what the catalog terms add to the score of every user."""
        values: Floats = self.catalog_values @ self.ranker.of_catalog_features()
        return values

    @property
    def product_weight(self) -> np.float32:
        """The weight of the product of the towers."""
        weight: np.float32 = self.ranker.of_features([PRODUCT])[0]
        return weight

    @cached_property
    def popularity(self) -> Floats:
        """(n_candidates,): log(1 + listeners)."""
        return np.ascontiguousarray(self.catalog_values[:, POPULARITY_COLUMN])

    @cached_property
    def n_artists(self) -> int:
        """Artists of the catalog and of the candidates."""
        return int(max(self.candidate_artist.max(initial=-1) + 1, self.knowledge.catalog.n_artists))

    @cached_property
    def tracks_of_artist(self) -> Ragged:
        """Row a: the candidates by artist a."""
        if self.candidate_artist is self.knowledge.catalog.artist:
            return self.knowledge.catalog.tracks_of_artist
        everything = np.arange(len(self.candidate_artist))
        return Ragged.from_pairs(self.candidate_artist.astype(np.int64), everything, self.n_artists)


def scorer_of(
    task: Task,
    model: TwoTower,
    ranker: LinearRanker = TOWERS_ALONE,
    vectors: Floats | None = None,
    relations: Relations = NO_RELATIONS,
    values: Floats | None = None,
    corrector: Corrector | None = None,
) -> Scorer:
    """The score of a task.

    vectors, values: (n_tracks, D) and (n_tracks, catalog features) of the catalog, where they are known already.

    Tracks outside the catalog have no catalog terms: nothing is known about them at the time of the request.
    """
    intent = ONLY_NEW if task.only_new else ANYTHING
    in_catalog = task.first_candidate == 0 and task.n_candidates == task.fit.catalog.n_tracks
    if vectors is None or not in_catalog:
        before = task.fit.catalog.artist[: task.first_candidate]
        artist = np.concatenate([before, task.candidate_artist])
        vectors = track_vectors(model, track_content(task.fit, model.settings, artist), task.first_candidate)
    if not in_catalog:
        values = np.zeros((task.n_candidates, len(CATALOG_FEATURES)), np.float32)
    elif values is None:
        values = catalog_values(task.fit)
    return Scorer(
        model,
        Knowledge(task.fit.catalog, relations),
        vectors,
        values,
        task.candidate_artist,
        ranker,
        intent,
        task.first_candidate,
        corrector,
    )
