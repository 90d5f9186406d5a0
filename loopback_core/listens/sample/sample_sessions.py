"""When a user listens: sessions at the user's hours of the day, songs one after another within them."""

from dataclasses import dataclass

import numpy as np

from loopback_core.listens.sample.draws import Doubles, Flags, Ints, bell, weighted
from loopback_core.listens.sample.world import DAY

HOUR = 3600
SESSION_LENGTH = 18  # songs, on average
PAUSE = 45 * 60  # seconds at least from the last song of a session to the next session
LEVEL_DAYS = 21  # activity has one level for this many days
BY_HOUR = np.array(
    [12, 7, 4, 3, 2, 2, 4, 8, 12, 14, 15, 15, 16, 17, 18, 19, 21, 23, 24, 25, 26, 26, 24, 18], dtype=float
)


@dataclass(frozen=True)
class Sessions:
    """The times of the listens of one user, before tracks are drawn, oldest first."""

    time: Ints  # (events,) seconds since BEGIN, strictly increasing
    starts: Flags  # (events,) the first song of a session


def draw_sessions(rng: np.random.Generator, events: int, start: int, end: int, utc_offset: int) -> Sessions:
    """Place `events` listens in the window [start, end) seconds since BEGIN of one user."""
    starts = rng.random(events) < 1 / SESSION_LENGTH
    starts[0] = True
    gap = _song_gaps(rng, events)
    gap[starts] = PAUSE
    crowded = int(gap.sum()) / max(end - start, 1)
    if crowded > 0.9:  # more songs than the window has room for: all gaps shrink
        gap = np.maximum(np.floor(gap * (0.9 / crowded)), 1).astype(np.int64)

    first = np.flatnonzero(starts)
    begin = _session_begins(rng, len(first), start, end, utc_offset)
    # A session begins no earlier than the pause after the one before it, and leaves room for those after it.
    elapsed = np.cumsum(gap)
    before = elapsed[first]
    begin = np.maximum.accumulate(begin - before) + before
    begin = np.minimum(begin, end - (elapsed[-1] - before) - 1)
    session = np.cumsum(starts) - 1
    return Sessions(begin[session] + elapsed - before[session], starts)


def _session_begins(rng: np.random.Generator, sessions: int, start: int, end: int, utc_offset: int) -> Ints:
    n_levels = max(1, -(-(end - start) // (LEVEL_DAYS * DAY)))
    level = np.cumsum(np.exp2(bell(rng, n_levels)))
    through = np.interp(
        rng.random(sessions) * level[-1], np.concatenate([[0.0], level]), np.arange(n_levels + 1) / n_levels
    )
    day = np.floor((start + through * (end - start)) / DAY).astype(np.int64)
    hour = weighted(rng.random(sessions), BY_HOUR) - utc_offset
    begin = day * DAY + hour * HOUR + np.floor(rng.random(sessions) * HOUR).astype(np.int64)
    return np.sort(np.maximum(begin, start))


def _song_gaps(rng: np.random.Generator, events: int) -> Ints:
    """Seconds since the song before: its length, less when it was skipped, more after a break."""
    song: Doubles = 235 + 65 * bell(rng, events)
    kind, amount = rng.random((2, events))
    gap: Doubles = np.select([kind < 0.07, kind > 0.93], [5 + 90 * amount, 300 + 1300 * amount * amount], song)
    return np.floor(np.maximum(gap, 20)).astype(np.int64)
