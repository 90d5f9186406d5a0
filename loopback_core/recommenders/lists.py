"""The lists of every user of a task, made for a block of users at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

from loopback_core.data import Histories, Ragged, Ranking
from loopback_core.recommenders.recommender import Recommender
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.runtime.progress import progress
from loopback_core.tasks.task import Task

TOWERS = "two_tower"
"""Id of the towers with the linear score; the ids of its variants begin with it, and they are not baselines."""

THROUGH_INDEX = f"{TOWERS}_index"
"""Id of the same, its candidates found through the index."""

TOWERS_ALONE_ID = f"{TOWERS}_alone"
"""Id of the towers whose score is the dot product without further terms."""

SERVED = "ranked"
"""Id of the lists that are served: those of TOWERS, their best candidates put in order by a corrector where that pays."""

RERANKED = "reranked"
"""Id of the lists of SERVED in the order in which they are shown: by rules, and for diversity."""

OTHER_PRESET = f"{TOWERS}:"
"""How the ids of towers of another preset begin."""

RANDOM = "random"

USERS_PER_BLOCK = 64

DEPTH = 1000
"""Length of the lists: a retriever feeds a ranker, so recall is measured down to here."""

ROLLING_DEPTH = 100
"""Length of the lists at several moments, where recall is measured at 100 at most."""


def is_ours(recommender: str) -> bool:
    """Whether it is the towers, a variant of them or of another preset, and no baseline."""
    return recommender.startswith(TOWERS) or recommender in (SERVED, RERANKED)


def rank_users(recommender: Recommender, task: Task, depth: int) -> Ranking:
    """The lists of every user of a task, (users, depth), made for a block of users at a time."""
    blocks = blocks_of_users(task)
    lists = (recommender.recommend(histories, depth, exclude) for histories, exclude in blocks)
    return gather(lists, task, depth, recommender.id)


def gather(blocks: Iterable[Ranking], task: Task, depth: int, recommender: str) -> Ranking:
    """The lists of every user of a task, (users, depth), from those of a block of users at a time."""
    whole, done = no_ranking(len(task.users), depth), 0
    with progress(f"{task.name}: {recommender}", len(task.users), "users") as shown:
        for block in blocks:
            rows = slice(done, done + len(block.tracks))
            whole.tracks[rows], whole.scores[rows] = block.tracks, block.scores
            done = rows.stop
            shown.advance(len(block.tracks))
    return whole


def blocks_of_users(task: Task) -> Iterator[tuple[Histories, Ragged | None]]:
    """The users of a task in blocks: their histories, and the tracks that are excluded for each."""
    for start in range(0, len(task.users), USERS_PER_BLOCK):
        stop = min(start + USERS_PER_BLOCK, len(task.users))
        exclude = None if task.exclude is None else task.exclude.take(np.arange(start, stop))
        yield task.histories.rows(start, stop), exclude
