"""What must hold of a challenger besides the quality of its lists: its index, its speed and size, whom and what it knows."""

import time
from collections.abc import Sequence

import numpy as np

from loopback_core.data import NOTHING, Ids
from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.promotion.comparing import JUDGED_AT
from loopback_core.promotion.contender import Contender
from loopback_core.promotion.promotion_json import BoundJson
from loopback_core.recommenders.bundle import SERVED_TASKS
from loopback_core.settings import Settings
from loopback_core.tasks.metrics import MAIN_METRIC

TIMED_USERS = 200

FLOOR_BASELINE = "popularity_users"


def measured_bounds(evaluation: Evaluation, settings: Settings) -> list[BoundJson]:
    """What the evaluation of the challenger says: the index, and popularity in both tasks."""
    floor = settings.checks.min_index_recall
    recall = evaluation["index"]["recall@100"]
    bounds = [_at_least("index recall@100", recall, floor, "the index against exact search")]
    for task in SERVED_TASKS:
        of_popularity = evaluation["paired"].get(task, {}).get(FLOOR_BASELINE)
        if of_popularity is not None:
            difference = of_popularity[MAIN_METRIC]["difference"]
            bounds.append(_at_least(f"{task}: {MAIN_METRIC} above {FLOOR_BASELINE}", difference, 0.0, "on test"))
    return bounds


def serving_bounds(challenger: Contender, champion: Contender, settings: Settings) -> list[BoundJson]:
    """Size, speed, and what of the champion the challenger knows."""
    gate = settings.promotion
    slowest, before = _p99_in_turn(challenger, champion)
    return [
        _at_most("bytes", challenger.bytes, gate.max_growth * champion.bytes, f"the champion has {champion.bytes:,}"),
        _at_most(
            "p99 ms", slowest, max(gate.max_p99_ms, gate.max_growth * before), f"the champion takes {before:.1f} ms"
        ),
        _at_most("users lost", _users_lost(challenger, champion), gate.max_loss, "the champion's users, unknown now"),
        _at_most(
            "plays lost",
            _plays_lost(challenger, champion),
            gate.max_loss,
            "plays of the champion's tracks, unknown now",
        ),
    ]


def short_lists(lists: Sequence[Ids], settings: Settings) -> BoundJson:
    """The share of the challenger's lists that have fewer than JUDGED_AT tracks. lists: (requests, JUDGED_AT) each."""
    short = np.concatenate([np.any(tracks == NOTHING, axis=1) for tracks in lists])
    return _at_most("short lists", float(short.mean()), settings.promotion.max_loss, f"fewer than {JUDGED_AT} tracks")


def _p99_in_turn(*contenders: Contender) -> list[float]:
    """The 99th percentile of a request for a known user, milliseconds; asked in turn, so that both are disturbed alike."""
    rng = np.random.default_rng(0)
    users = [rng.permutation(len(one.served.histories.starts))[:TIMED_USERS] for one in contenders]
    times: list[list[float]] = [[] for _ in contenders]
    for turn in range(max(map(len, users), default=0)):
        for one, of_users, of_one in zip(contenders, users, times, strict=True):
            if turn < len(of_users):
                of_one.append(_seconds(one, of_users[turn : turn + 1], turn))
    # the first ones fill caches
    return [float(np.percentile(of_one[len(of_one) // 10 :], 99)) * 1e3 if of_one else 0.0 for of_one in times]


def _seconds(contender: Contender, user: Ids, turn: int) -> float:
    served = contender.served
    task = list(SERVED_TASKS)[turn % len(SERVED_TASKS)]
    started = time.perf_counter()
    served.bundle.recommender(task).recommend(served.known_histories(user), JUDGED_AT, None)
    return time.perf_counter() - started


def _users_lost(challenger: Contender, champion: Contender) -> float:
    before, now = champion.served.users.hashes, challenger.served.users.hashes
    return float(1 - np.isin(before, now).mean()) if len(before) else 0.0


def _plays_lost(challenger: Contender, champion: Contender) -> float:
    before = champion.served.keys.tracks
    plays = np.asarray(champion.served.bundle.catalog.plays)[before.ids]
    lost = ~np.isin(before.hashes, challenger.served.keys.tracks.hashes)
    return float(plays[lost].sum() / max(plays.sum(), 1))


def _at_least(name: str, value: float, limit: float, what: str) -> BoundJson:
    sentence = f"{name}: {value:.4g}, at least {limit:.4g} ({what})"
    return BoundJson(name=name, value=float(value), limit=float(limit), holds=bool(value >= limit), sentence=sentence)


def _at_most(name: str, value: float, limit: float, what: str) -> BoundJson:
    sentence = f"{name}: {value:.4g}, at most {limit:.4g} ({what})"
    return BoundJson(name=name, value=float(value), limit=float(limit), holds=bool(value <= limit), sentence=sentence)
