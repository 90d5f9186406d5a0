"""What re-ranking costs and gives on test: the shipped lists against the scored ones, and every method along its dial."""

from dataclasses import asdict, replace

import numpy as np

from loopback_core.data import Ranking
from loopback_core.evaluation.evaluator import TaskResult, compare_over_users
from loopback_core.evaluation.reranking_json import DialPointJson, RerankingJson
from loopback_core.recommenders.lists import RERANKED, SERVED
from loopback_core.reranking.choosing import FIRST_TRACKS, DialPoint, MeasuredLists, RerankingChoice, dial_points
from loopback_core.reranking.list_diversity import list_diversity
from loopback_core.reranking.reranker import Reranker
from loopback_core.settings import RERANKING_METHODS, EvaluationSettings
from loopback_core.tasks.metrics import MAIN_METRIC

USERS_OF_CURVE = 200
"""Users whose lists are re-ranked at every point of every dial, drawn by seed."""


def reranking_json(
    result: TaskResult, reranker: Reranker, choice: RerankingChoice, rival: str | None, settings: EvaluationSettings
) -> RerankingJson:
    """The re-ranking of a task whose lists were measured. reranker: that of the task, with the catalog's artists."""
    names = [name for name in (RERANKED, SERVED, rival) if name is not None and result.per_user.get(name) is not None]
    ours = result.per_user[RERANKED]
    assert ours is not None
    differences = {
        name: {metric: ours[metric] - of[metric] for metric in ours if metric in of}
        for name in names
        if name != RERANKED and (of := result.per_user[name]) is not None
    }
    rows = _some_rows(len(result.task.users), settings.seed)
    lists = [_of_rows(result, rows)]
    return {
        "choice": asdict(choice),
        "lists": {name: _measured(result, name, reranker) for name in names},
        "against": compare_over_users(differences, settings),
        "users_of_curve": len(rows),
        "curve": {
            method: [_as_json(point) for point in dial_points(lists, replace(reranker, method=method))]
            for method in RERANKING_METHODS
        },
    }


def _measured(result: TaskResult, name: str, reranker: Reranker) -> DialPointJson:
    of_lists = result.per_user[name]
    assert of_lists is not None
    different = list_diversity(result.rankings[name].tracks[:, :FIRST_TRACKS], reranker.vectors, reranker.artist)
    return _as_json(
        DialPoint(reranker.method, reranker.diversity, float(of_lists[MAIN_METRIC].mean()), 0.0, *different)
    )


def _some_rows(n_users: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(n_users)[:USERS_OF_CURVE])


def _of_rows(result: TaskResult, rows: np.ndarray) -> MeasuredLists:
    """The scored lists of some users."""
    lists, task = result.rankings[SERVED], result.task.of_rows(rows)
    ranking = Ranking(lists.tracks[rows], lists.scores[rows])
    return MeasuredLists(ranking, task.histories, task.positives, task.users)


def _as_json(point: DialPoint) -> DialPointJson:
    return {
        "diversity": point.diversity,
        "ndcg": point.ndcg,
        "distance": point.distance,
        "artists": point.artists,
        "entropy": point.entropy,
    }
