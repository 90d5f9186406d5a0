"""The lists of the towers in every form: alone, with the linear score, through the index, and as they are served."""

from dataclasses import replace

from loopback_core.data import Ranking
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.ranking.reordering import reordered
from loopback_core.ranking.scorer import Scorer
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.lists import SERVED, TOWERS, blocks_of_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.runtime.progress import progress
from loopback_core.tasks.task import Task

ALONE = f"{TOWERS}_alone"


def our_lists(
    scorer: Scorer, task: Task, depth: int, seed: int, index: VectorIndex | None = None
) -> dict[str, Ranking]:
    """Recommender -> the lists of every user of a task, (users, depth).

    Histories are read and products computed once for all of them, a block of users at a time. index: through which lists are
    served; None: candidates are found exactly. seed: of the permutation that breaks ties.
    """
    by_score, alone = TowersRecommender(scorer, seed), TowersRecommender(replace(scorer, ranker=TOWERS_ALONE), seed)
    through_index = None if index is None else IndexRecommender(replace(scorer, corrector=None), index, seed)
    names = [ALONE, TOWERS, *([] if through_index is None else [through_index.id]), SERVED]
    whole = {name: no_ranking(len(task.users), depth) for name in names}  # also where nobody is asked
    done = 0
    with progress(f"{task.name}: {SERVED}", len(task.users), "users") as shown:
        for histories, exclude in blocks_of_users(task):
            users = scorer.encode(histories)
            products = users.vectors @ scorer.vectors.T
            lists = {ALONE: alone.rank_products(products, users.prior, depth, exclude)}
            lists[TOWERS] = by_score.rank_products(products, users.prior, depth, exclude)
            if through_index is not None:
                lists[through_index.id] = through_index.rank(users, depth, exclude)
            lists[SERVED] = reordered(scorer, users, lists[TOWERS if through_index is None else through_index.id])
            rows = slice(done, done + len(histories))
            for name, of_block in lists.items():
                whole[name].tracks[rows], whole[name].scores[rows] = of_block.tracks, of_block.scores
            done = rows.stop
            shown.advance(len(histories))
    return whole
