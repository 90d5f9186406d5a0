"""The trained towers and what is added to their products: all that a served score is made of."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, FitData, Floats, Histories, Ragged
from loopback_core.features.popularity_columns import popularity_columns
from loopback_core.features.track_content import track_content
from loopback_core.ranking.linear import ALONE, Prior, Scoring, personal_prior, queries
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.tasks.task import Task
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, ONLY_NEW


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


def serve(
    model: TwoTower,
    task: Task,
    scoring: Scoring = ALONE,
    vectors: Floats | None = None,
    related: RelatedArtists | None = None,
) -> Served:
    """What answers a task. vectors: (n_tracks, D) of the catalog, where they are there already.

    Tracks outside the catalog have no popularity: none is known when they are asked for.
    """
    intent = ONLY_NEW if task.only_new else ANYTHING
    in_catalog = task.first_candidate == 0 and task.n_candidates == task.fit.catalog.n_tracks
    if vectors is None or not in_catalog:
        before = task.fit.catalog.artist[: task.first_candidate]
        artist = np.concatenate([before, task.candidate_artist])
        vectors = track_vectors(model, track_content(task.fit, model.settings, artist), task.first_candidate)
    if in_catalog:
        return Served.in_catalog(model, task.fit, vectors, scoring, intent, related)
    unknown = np.zeros((task.n_candidates, 2), np.float32)
    return Served(model, task.fit.catalog, vectors, unknown, task.candidate_artist, scoring, intent, related)
