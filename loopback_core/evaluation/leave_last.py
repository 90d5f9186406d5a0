"""The one held-out listen of every user under the split strategy `leave_last`, measured as the literature measures it."""

from collections.abc import Mapping

import numpy as np

from loopback_core.data import Ids
from loopback_core.evaluation.evaluation_json import LeaveLastJson
from loopback_core.evaluation.evaluator import TaskResult, mean_over_users
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import PerUser

FILTERS = {"everything": "next_listen", "unknown": "discovery"}
"""What is recommended -> the task whose lists these are: nothing is filtered, or what the user knows is."""

LEAVE_LAST_KS = (10, 50, 100)


def leave_last_json(results: Mapping[str, TaskResult], everyone: Ids, settings: EvaluationSettings) -> LeaveLastJson:
    """Hit rate and nDCG over all users with a held-out listen; a user whose track cannot be in a list is a miss.

    results: of next_listen and discovery, each user with one positive. everyone: (users,) ascending, with a held-out
    listen. A list without what the user knows misses a held-out track that they know; no list has a track that nobody
    played before.
    """
    reachable = results[FILTERS["everything"]].task.users
    new = results[FILTERS["unknown"]].task.users
    metrics = [f"{metric}@{k}" for k in LEAVE_LAST_KS if k in settings.ks for metric in ("hit_rate", "ndcg")]
    return {
        "users": len(everyone),
        "known": float(np.mean(np.isin(everyone, reachable) & ~np.isin(everyone, new))) if len(everyone) else 0.0,
        "outside_catalog": 1 - float(np.mean(np.isin(everyone, reachable))) if len(everyone) else 0.0,
        "recommenders": {
            what: mean_over_users(
                {
                    name: _with_misses(values, results[task].task.users, everyone, metrics)
                    for name, values in results[task].per_user.items()
                },
                settings,
            )
            for what, task in FILTERS.items()
        },
    }


def _with_misses(values: PerUser | None, users: Ids, everyone: Ids, metrics: list[str]) -> PerUser | None:
    """The metrics of everyone: 0 for those who are not among the scored users."""
    if values is None:
        return None
    row = np.searchsorted(everyone, users)
    complete = {metric: np.zeros(len(everyone)) for metric in metrics}
    for metric in metrics:
        complete[metric][row] = values[metric]
    return complete
