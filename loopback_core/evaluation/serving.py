"""The trained towers as they would be served in a task."""

import numpy as np

from loopback_core.data import Floats
from loopback_core.evaluation.tasks import Task
from loopback_core.features.content import track_content
from loopback_core.retrieval.embed import track_vectors
from loopback_core.retrieval.recommenders import Served
from loopback_core.retrieval.related import RelatedArtists
from loopback_core.retrieval.scoring import ALONE, Scoring
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, ONLY_NEW


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
