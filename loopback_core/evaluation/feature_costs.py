"""What each group of features costs in a request: the time of reading one history, on one core."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from loopback_core.data import Histories
from loopback_core.evaluation.feature_costs_json import FeatureCostsJson, GroupCost
from loopback_core.ranking.feature_groups import title_of_term
from loopback_core.ranking.terms import ARTIST_TERMS, TRACK_TERMS, Knowledge, Listened, PersonalTerm
from loopback_core.recommenders.ranked_towers import Towers
from loopback_core.retrieval.embed import user_vectors
from loopback_core.retrieval.one_core import one_core
from loopback_core.tasks.task import Task
from loopback_core.towers.user import ANYTHING, ONLY_NEW

TIMED_REQUESTS = 100
"""Of a task, at most, drawn by seed."""

READ_TIMES = 3
"""Times that each history is read by each group."""

Reading = Callable[[Histories], object]
"""All that a group of features computes from one history."""


def measure_feature_costs(task: Task, towers: Towers, seed: int) -> FeatureCostsJson:
    """p50_ms and p99_ms of every group that reads the history: the user tower, and each personal term.

    What terms share, the distinct tracks and artists of the history, is found anew for each of them and counted for each:
    the sum is more than a request takes. A term is timed whether the task gives it a weight or not. The catalog terms read no
    history and are not timed: they were added up for every track beforehand.

    Each history is read several times and the shortest time counts: the others say what else ran on the machine, or
    what is made once for all requests. The task has a user at least. seed: of the requests.
    """
    asked = task.sampled(TIMED_REQUESTS, seed)
    readings = _readings(task, towers)
    milliseconds: dict[str, list[float]] = {name: [] for name in readings}
    with one_core():
        for row in range(len(asked.users)):
            history = asked.histories.rows(row, row + 1)
            for name, read in readings.items():
                milliseconds[name].append(min(_time_of_reading(read, history) for _ in range(READ_TIMES)))
    return {"requests": len(asked.users), "groups": {name: _cost(of) for name, of in milliseconds.items()}}


def _readings(task: Task, towers: Towers) -> dict[str, Reading]:
    """Group of features -> its reading."""
    knowledge = Knowledge(task.fit.catalog, towers.relations)
    intent = ONLY_NEW if task.only_new else ANYTHING
    terms = {title_of_term(term): partial(_bag, term, knowledge) for term in (*TRACK_TERMS, *ARTIST_TERMS)}
    return {"towers": lambda history: user_vectors(towers.model, history, knowledge.artist_of, intent), **terms}


def _bag(term: PersonalTerm, knowledge: Knowledge, history: Histories) -> object:
    return term.bag(Listened(history, knowledge))


def _time_of_reading(read: Reading, history: Histories) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    read(history)
    return 1000 * (time.perf_counter() - started)


def _cost(milliseconds: list[float]) -> GroupCost:
    p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return {"p50_ms": p50, "p99_ms": p99}
