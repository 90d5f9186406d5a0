"""The towers that are served beside those that were evaluated: other weights, which must say nearly the same."""

from typing import TypedDict

import numpy as np

from loopback_core.data import FitData, Floats, Ids
from loopback_core.features.track_content import track_content
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING

USERS, K = 200, 100


class RefitJson(TypedDict):
    """Both towers asked for the same users, histories and tracks: those of the fit data of the evaluation."""

    users: int
    overlap: float  # mean share of the K nearest tracks that both have
    temperature: float  # of the towers that are served
    temperature_evaluated: float
    largest_norm_error: float  # of the vectors of tracks and users of the served towers, from 1


def compare_refit(evaluated: TwoTower, served: TwoTower, fit: FitData) -> RefitJson:
    """evaluated, served: towers of the same shape, over ids that are those of the same log."""
    users = np.sort(np.random.default_rng(0).permutation(fit.catalog.n_users)[:USERS]).astype(np.int64)
    histories, near, norms = fit.histories(users), [], [np.zeros(1)]
    for model in (evaluated, served):
        tracks = track_vectors(model, track_content(fit, model.settings))
        vectors = user_vectors(model, histories, fit.catalog.artist, ANYTHING)
        near.append(_nearest(vectors, tracks))
        norms = [np.abs(np.linalg.norm(part, axis=1) - 1) for part in (vectors, tracks)]
    shared = [len(np.intersect1d(*lists)) / max(len(lists[0]), 1) for lists in zip(*near, strict=True)]
    return {
        "users": len(users),
        "overlap": float(np.mean(shared)) if shared else 1.0,
        "temperature": 1 / served.inverse_temperature().item(),
        "temperature_evaluated": 1 / evaluated.inverse_temperature().item(),
        "largest_norm_error": float(max(error.max(initial=0) for error in norms)),
    }


def _nearest(users: Floats, tracks: Floats) -> list[Ids]:
    """The K tracks nearest to each user, in any order."""
    k = min(K, len(tracks))
    return [np.argpartition(-(tracks @ user), k - 1)[:k].astype(np.int64) for user in users]
