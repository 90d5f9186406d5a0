"""A log whose users have two tastes: in few dimensions one vector lies between them, near neither."""

from itertools import combinations

import numpy as np

from loopback_core.data import SECONDS_PER_DAY, Events, FitData
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.period import Period

GROUPS, TRACKS_PER_GROUP = 8, 20
TRAIN_TRACKS = 12  # of the 20 of each of a user's two groups; the other 8 are played in validation

PAIRS = [pair for pair in combinations(range(GROUPS), 2) for _ in range(2)]
"""The two groups of each of 56 users: every two groups have two users, so that no two groups are one taste."""

ARTIST = np.arange(GROUPS * TRACKS_PER_GROUP, dtype=np.int32) // 4


def two_tastes():
    """The period of validation. A user plays tracks of their two groups in turns, each once, in an order of their own."""
    rng = np.random.default_rng(0)
    train, validation = [], []
    for user, pair in enumerate(PAIRS):
        orders = [rng.permutation(TRACKS_PER_GROUP) + TRACKS_PER_GROUP * group for group in pair]
        for place in range(TRACKS_PER_GROUP):
            part, day = (train, place) if place < TRAIN_TRACKS else (validation, 100 + place)
            for number, order in enumerate(orders):
                part.append((user, order[place], day * SECONDS_PER_DAY + 3600 * number + user))
    known = _events(train)
    fit = FitData(known, count_catalog(known, ARTIST), int(known.timestamp[-1]))
    return Period(fit, _events(validation), np.arange(len(PAIRS)), ARTIST)


def _events(rows):
    user, track, when = np.array(sorted(rows, key=lambda row: row[2])).T
    return Events(user.astype(np.int32), track.astype(np.int32), when)
