"""Questions to a bundle with the answers that it gave when it was built: who loads it asks them again."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ragged, Ranking
from loopback_core.reranking.reranker import LONGEST

CANARIES = "canaries.json"

K = 20

USERS = 6
"""Known users who are asked of, besides one without a history."""

LARGEST_DIFFERENCE = 1e-3
"""Of a score, as a part of the largest score of the list: another processor adds up in another order."""


class Canary(TypedDict):
    """A question and its answer."""

    user: int | None  # dense id; None: nothing was played
    task: str
    tracks: list[int]  # the K best, best first
    scores: list[float]


def ask_canaries(served: ServedBundle) -> list[Canary]:
    """Questions of both tasks, with the answers of this bundle.

    Of the users with the longest histories, whose lists are stored, and as many others, drawn by seed.
    """
    longest = np.argsort(-served.histories.lengths, kind="stable")
    others = np.random.default_rng(0).permutation(longest[USERS // 2 :])[: USERS - USERS // 2]
    users = np.sort(np.concatenate([longest[: USERS // 2], others])).tolist()
    return [_ask(served, user, task) for user in (None, *users) for task in ("discovery", "next_listen")]


def wrong_answers(served: ServedBundle, canaries: Sequence[Canary]) -> list[str]:
    """What this bundle answers in another way than was stored, a sentence of each; empty when all is well.

    Asked are what is computed now, and the lists that are stored of known users.
    """
    wrong = []
    for canary in canaries:
        user, task = canary["user"], canary["task"]
        for kind, answer in (("", _ask(served, user, task)), (", stored list", _stored(served, user, task))):
            if answer is not None and (difference := _difference(canary, answer)):
                wrong.append(f"{task} of user {user}{kind}: {difference}")
    return wrong


def _difference(canary: Canary, answer: Canary) -> str:
    """How an answer differs; empty where it does not.

    Compared by scores, place by place: tracks whose scores are equal up to rounding may change places.
    """
    before, now = np.array(canary["scores"]), np.array(answer["scores"])
    if len(before) != len(now):
        return f"{len(now)} tracks instead of {len(before)}"
    if len(now) and not np.abs(now - before).max() <= LARGEST_DIFFERENCE * max(np.abs(before).max(), 1e-6):
        return f"scores differ by up to {np.abs(now - before).max():.4g}"
    if len(now) and len({*canary["tracks"]} & {*answer["tracks"]}) < 0.9 * len(now):
        return "other tracks"
    return ""


def _ask(served: ServedBundle, user: int | None, task: str) -> Canary:
    bundle, none = served.bundle, np.zeros(0, np.int64)
    known = user is not None
    histories = served.known_histories(np.array([user])) if known else bundle.histories([none], [none], [bundle.now])
    played = np.unique(histories.tracks.values) if task == "discovery" else none
    k = min(LONGEST, len(bundle.vectors))
    by_score = bundle.recommender(task).recommend(histories, k, Ragged(np.array([0, len(played)]), played))
    best = bundle.shown(task, by_score, histories)
    return _canary(user, task, Ranking(best.tracks[:, :K], best.scores[:, :K]))


def _stored(served: ServedBundle, user: int | None, task: str) -> Canary | None:
    """The head of the list that is stored of a known user; None where none is."""
    best = None if user is None or task not in served.lists else served.lists[task].of(user, len(served.bundle.vectors))
    return None if best is None else _canary(user, task, Ranking(best.tracks[:, :K], best.scores[:, :K]))


def _canary(user: int | None, task: str, best: Ranking) -> Canary:
    given = best.tracks[0] != NOTHING
    return {
        "user": user,
        "task": task,
        "tracks": best.tracks[0][given].tolist(),
        "scores": [float(score) for score in best.scores[0][given]],
    }
