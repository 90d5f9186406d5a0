"""Questions to a bundle with the answers that it gave when it was built: who loads it asks them again."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ragged

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
    """Questions of both tasks, of users drawn by seed, with the answers of this bundle."""
    n = len(served.histories.starts)
    users = np.sort(np.random.default_rng(0).permutation(n)[:USERS]).tolist()
    return [_ask(served, user, task) for user in (None, *users) for task in ("discovery", "next_listen")]


def wrong_answers(served: ServedBundle, canaries: Sequence[Canary]) -> list[str]:
    """What this bundle answers in another way than was stored, a sentence of each; empty when all is well.

    Lists are compared by their scores, place by place: tracks whose scores are equal up to rounding may change places.
    """
    wrong = []
    for canary in canaries:
        again = _ask(served, canary["user"], canary["task"])
        before, now = np.array(canary["scores"]), np.array(again["scores"])
        who = f"{canary['task']} of user {canary['user']}"
        if len(before) != len(now):
            wrong.append(f"{who}: {len(now)} tracks instead of {len(before)}")
        elif len(now) and not np.abs(now - before).max() <= LARGEST_DIFFERENCE * max(np.abs(before).max(), 1e-6):
            wrong.append(f"{who}: scores differ by up to {np.abs(now - before).max():.4g}")
        elif len(now) and len({*canary["tracks"]} & {*again["tracks"]}) < 0.9 * len(now):
            wrong.append(f"{who}: other tracks")
    return wrong


def _ask(served: ServedBundle, user: int | None, task: str) -> Canary:
    bundle = served.bundle
    none = np.zeros(0, np.int64)
    tracks, times = (none, none) if user is None else served.history(user)
    moment = int(times[-1]) if bundle.own_moments and len(times) else bundle.now
    histories = bundle.histories([tracks], [times], [moment])
    played = np.unique(tracks) if task == "discovery" else none
    k = min(K, len(bundle.vectors))
    best = bundle.recommender(task).recommend(histories, k, Ragged(np.array([0, len(played)]), played))
    given = best.tracks[0] != NOTHING
    return {
        "user": user,
        "task": task,
        "tracks": best.tracks[0][given].tolist(),
        "scores": [float(score) for score in best.scores[0][given]],
    }
