"""What a query of a retriever costs: time on one core, bytes for each track, and what the index misses."""

import time
from pathlib import Path

import numpy as np

from loopback_core.data import NOTHING
from loopback_core.lineage.retriever import Retriever
from loopback_core.retrieval.one_core import one_core
from loopback_core.tasks.task import Task

DEPTH_OF_QUERY = 100

ASKED = 3
"""Times that each query is asked."""

COMPARED_EXACTLY = 100
"""Users, at most, whose lists are compared with those of scoring every track."""


def query_times(retriever: Retriever, task: Task, queries: int) -> dict[str, float]:
    """p50_ms and p99_ms of a list of 100 tracks from a history, one at a time on one core; search_p50_ms and search_p99_ms: of
    these the part after the user's vectors are known. Milliseconds.

    Each query is asked several times and its shortest time counts: the others say what else ran on the machine.
    """
    times = []
    with one_core():
        for number in range(queries):
            row = number % len(task.users)
            asked = [_time_of(retriever, task, row) for _ in range(ASKED)]
            times.append([min(of) for of in zip(*asked, strict=True)])
    whole, search = zip(*times, strict=True)
    return {
        f"{name}p{share}_ms": float(np.percentile(of, share))
        for name, of in (("", whole), ("search_", search))
        for share in (50, 99)
    }


def _time_of(retriever: Retriever, task: Task, row: int) -> tuple[float, float]:
    """Milliseconds of the whole query, and of its search."""
    history = task.histories.rows(row, row + 1)
    exclude = np.zeros(0, np.int64) if task.exclude is None else task.exclude[row]
    started = time.perf_counter()
    users = retriever.embed(history)[0]
    encoded = time.perf_counter()
    retriever.rank(users, retriever.candidates(users, DEPTH_OF_QUERY, exclude), DEPTH_OF_QUERY)
    done = time.perf_counter()
    return 1000 * (done - started), 1000 * (done - encoded)


def share_found(retriever: Retriever, task: Task) -> float:
    """Share of the 100 best tracks of each user, of every track of the catalog, that stand in the list from the index."""
    users = min(len(task.users), COMPARED_EXACTLY)
    histories = task.histories.rows(0, users)
    exclude = None if task.exclude is None else task.exclude.take(np.arange(users))
    found, exact = (
        recommend(histories, DEPTH_OF_QUERY, exclude).tracks
        for recommend in (retriever.recommend, retriever.recommend_exactly)
    )
    hits = [np.isin(best[best != NOTHING], of_index).sum() for best, of_index in zip(exact, found, strict=True)]
    return float(np.sum(hits) / np.sum(exact != NOTHING))


def bytes_per_track(folder: Path, n_tracks: int) -> float:
    """Of the files that a search reads: the vectors and the index, without the towers. folder: of `save_retriever`."""
    read = [path for path in folder.iterdir() if path.name.startswith(("view_", "tracks."))]
    return sum(path.stat().st_size for path in read) / n_tracks
