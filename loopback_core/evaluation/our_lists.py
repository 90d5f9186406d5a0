"""The lists of the towers in every form: alone, with the linear score, through the index, and as they are served."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from loopback_core.data import Ids, Ragged, Ranking
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.ranking.reordering import reordered
from loopback_core.ranking.scorer import EncodedUsers, Scorer
from loopback_core.ranking.terms import Listened
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.lists import SERVED, THROUGH_INDEX, TOWERS, TOWERS_ALONE_ID, blocks_of_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.runtime.progress import progress
from loopback_core.tasks.task import Task

Lists = dict[str, Ranking]
"""Recommender -> its lists, (users, depth)."""

RankBlock = Callable[[EncodedUsers, Ragged | None], Lists]
"""The lists of a block of users, of whom some candidates are excluded; what is served is the last one, corrected."""


def our_lists(scorer: Scorer, task: Task, depth: int, seed: int, index: VectorIndex | None = None) -> Lists:
    """The lists of every user of a task, by the scores of all candidates and, where there is an index, through it.

    What is served comes through the index. seed: of the permutation that breaks ties.
    """
    by_score, alone = TowersRecommender(scorer, seed), TowersRecommender(replace(scorer, ranker=TOWERS_ALONE), seed)
    through_index = None if index is None else IndexRecommender(replace(scorer, corrector=None), index, seed)

    def rank(users: EncodedUsers, exclude: Ragged | None) -> Lists:
        products, deep = users.vectors @ scorer.vectors.T, _deep_enough(scorer, depth)
        lists = {TOWERS_ALONE_ID: alone.rank_products(products, users.prior, depth, exclude)}
        lists[TOWERS] = by_score.rank_products(products, users.prior, deep, exclude)
        if through_index is not None:
            lists[THROUGH_INDEX] = through_index.rank(users, deep, exclude)
        return lists

    names = [TOWERS_ALONE_ID, TOWERS, *([] if through_index is None else [THROUGH_INDEX])]
    return _with_served([(scorer, task, rank)], depth, names)[0]


def lists_through_index(asked: Sequence[tuple[Scorer, Task]], depth: int, seed: int, index: VectorIndex) -> list[Lists]:
    """The same of some tasks through the index alone: no list needs the scores of all candidates, for which many requests have no time.

    asked: tasks in which a user has the same history, and the users of one are all asked in the task that asks most.
    """
    ranks = [(scorer, task, _through_index(scorer, depth, seed, index)) for scorer, task in asked]
    return _with_served(ranks, depth, [TOWERS_ALONE_ID, THROUGH_INDEX])


def _through_index(scorer: Scorer, depth: int, seed: int, index: VectorIndex) -> RankBlock:
    by_score = IndexRecommender(replace(scorer, corrector=None), index, seed)
    alone = IndexRecommender(replace(by_score.scorer, ranker=TOWERS_ALONE), index, seed)
    return lambda users, exclude: {
        TOWERS_ALONE_ID: alone.rank(users, depth, exclude),
        THROUGH_INDEX: by_score.rank(users, _deep_enough(scorer, depth), exclude),
    }


def _deep_enough(scorer: Scorer, depth: int) -> int:
    """Places of a list that is corrected and then cut to `depth`: what the corrector brings up from below is not missed."""
    return depth if scorer.corrector is None else max(depth, scorer.corrector.places)


def _with_served(asked: Sequence[tuple[Scorer, Task, RankBlock]], depth: int, names: Sequence[str]) -> list[Lists]:
    """For each task the lists of these names and what is served. A history is read once for all lists of all tasks."""
    whole = [{name: no_ranking(len(task.users), depth) for name in (*names, SERVED)} for _, task, _ in asked]
    widest = max((task for _, task, _ in asked), key=lambda task: len(task.users))
    places = [_places(task, widest) for _, task, _ in asked]
    done = 0
    with progress(f"{', '.join(task.name for _, task, _ in asked)}: {SERVED}", len(widest.users), "users") as shown:
        for histories, _ in blocks_of_users(widest):
            listened = Listened(histories, asked[0][0].knowledge)
            for (scorer, task, rank), place, lists in zip(asked, places, whole, strict=True):
                rows = slice(*np.searchsorted(place, [done, done + len(histories)]).tolist())
                if rows.start == rows.stop:
                    continue  # nobody of these is asked in this task
                everybody = rows.stop - rows.start == len(histories)
                theirs = listened if everybody else listened.take(place[rows] - done)
                exclude = None if task.exclude is None else task.exclude.take(np.arange(rows.start, rows.stop))
                users = scorer.encode(theirs.histories, theirs)
                of_block = rank(users, exclude)
                of_block[SERVED] = reordered(scorer, users, of_block[names[-1]])
                for name, ranking in of_block.items():
                    lists[name].tracks[rows] = ranking.tracks[:, :depth]
                    lists[name].scores[rows] = ranking.scores[:, :depth]
            done += len(histories)
            shown.advance(len(histories))
    return whole


def _places(task: Task, widest: Task) -> Ids:
    """Where the users of a task stand among those of the widest."""
    places = np.searchsorted(widest.users, task.users)
    if not np.array_equal(widest.users.take(places, mode="clip"), task.users):
        raise ValueError(f"{task.name} asks users whom {widest.name} does not ask.")
    return places
