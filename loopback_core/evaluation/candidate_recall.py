"""What the generators of candidates find on test: a ranker cannot find what is not there."""

from dataclasses import replace

import numpy as np

from loopback_core.data import Ids
from loopback_core.evaluation.candidates_json import CandidatesJson, GeneratorJson
from loopback_core.ranking.generators import GENERATORS, generated
from loopback_core.ranking.pair_features import personal_bags
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import Listened
from loopback_core.recommenders.lists import DEPTH, blocks_of_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.top_k import tie_order
from loopback_core.tasks.metrics import DEEP_CUTOFFS
from loopback_core.tasks.task import Task

ASKED_USERS = 500
"""Users whose candidates are looked at, at most, drawn by seed."""


def measure_candidates(scorer: Scorer, task: Task, seed: int) -> CandidatesJson:
    """Measure the generators of a task whose candidates are the catalog. seed: of the users, and of ties."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(task.users))[:ASKED_USERS])
    asked, tie_rank = task.of_rows(rows), tie_order(task.n_candidates, seed)
    by_score = TowersRecommender(scorer, seed)
    found: dict[str, list[list[float]]] = {name: [] for name in GENERATORS}
    whole: list[list[float]] = []
    number = 0
    for histories, exclude in blocks_of_users(asked):
        listened = Listened(histories, scorer.knowledge)
        users = replace(scorer.encode(histories, listened), bags=personal_bags(listened))
        best = by_score.rank(users, DEPTH, exclude).tracks
        for lists, of_user in zip(generated(scorer, users, DEPTH, exclude, tie_rank), best, strict=True):
            positives = asked.positives[number]
            hits = {name: np.isin(positives, tracks) for name, tracks in lists.items()}
            times = np.sum(list(hits.values()), axis=0)
            for name, tracks in lists.items():
                found[name].append(
                    [len(tracks), *_recalls(tracks, positives), float((hits[name] & (times == 1)).mean())]
                )
            every = np.unique(np.concatenate(list(lists.values())))
            whole.append([len(every), *_recalls(of_user, positives), float((times > 0).mean())])
            number += 1
    return {
        "users": len(rows),
        "union": _as_json(whole),
        "generators": {name: _as_json(of_users) for name, of_users in found.items()},
    }


def _recalls(tracks: Ids, positives: Ids) -> list[float]:
    return [float(np.isin(positives, tracks[:k]).mean()) for k in DEEP_CUTOFFS]


def _as_json(of_users: list[list[float]]) -> GeneratorJson:
    tracks, *recalls, adds = np.mean(of_users, axis=0).tolist()
    return {"tracks": tracks, "recall": dict(zip(map(str, DEEP_CUTOFFS), recalls, strict=True)), "adds": adds}
