"""How often everything was played, old plays counting less, at any moment of any history."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, Floats, Histories, Ids

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Moments:
    """A requests: each stands in a row of some histories, after so many of its listens."""

    row: Ids  # (A,)
    place: Ids  # (A,) place in the histories' arrays of the first listen that is not heard yet
    now: Ids  # (A,) seconds: when it asks

    @classmethod
    def at_the_end(cls, histories: Histories) -> "Moments":
        """One request per row, with everything heard."""
        return cls(np.arange(len(histories)), histories.tracks.offsets[1:], histories.now)

    def __len__(self) -> int:
        return len(self.row)


def artist_of_listens(histories: Histories, artist: NDArray[np.int32]) -> Ids:
    """(total,) the artist of every listen, -1 where the track is beyond the catalog. artist: (n_tracks,)."""
    track = histories.tracks.values
    known = track < len(artist)
    return np.where(known, artist[np.where(known, track, 0)], -1).astype(np.int64)


class Scale(NamedTuple):
    """How fast plays are forgotten, and how much more many of them say than few."""

    days: float  # half-life; 0: never forgotten
    power: float  # a decayed count c weighs c ** power; 0: log(1 + c)


@dataclass(frozen=True)
class Bag:
    """Distinct items per request, each with a weight per time scale."""

    items: Ids  # (n,)
    weights: Floats  # (n, scales)
    row: Ids  # (n,) number of the request, ascending


class DecayedCounts:
    """Plays of each item of each history, older ones counting less, by several half-lives.

    The count of an item at its i-th play follows from that at the one before: 1 + c(i - 1) * 0.5 ** (gap / half-life).
    It is kept with every listen, so that the counts at any later moment are read off the last listen of each item, and
    cost what the distinct items cost, however long the history.
    """

    def __init__(self, histories: Histories, items: Ids, scales: Sequence[Scale]) -> None:
        """items: (total,) beside histories.tracks.values, -1 for what nobody knows, which is in no bag."""
        self._offsets, self._items, self._timestamps = histories.tracks.offsets, items, histories.timestamps
        self._powers = [scale.power for scale in scales]
        self._rates = np.array([np.log(2) / (scale.days * SECONDS_PER_DAY) if scale.days else 0.0 for scale in scales])
        self._count(histories.tracks.row_numbers())

    def _count(self, row: Ids) -> None:
        n = len(self._items)
        key = row * (self._items.max(initial=0) + 2) + self._items + 1
        order = np.argsort(key, kind="stable")  # of one item in one row: one after the other, oldest first
        is_first = np.diff(key[order], prepend=-1) != 0
        self._next = np.full(n, NEVER)
        self._next[order[:-1][~is_first[1:]]] = order[1:][~is_first[1:]]

        starts = np.flatnonzero(is_first)
        repeat = np.arange(n) - np.repeat(starts, np.diff(starts, append=n))  # 0 for a first play
        by_repeat = np.argsort(repeat, kind="stable")
        bounds = np.searchsorted(repeat[by_repeat], np.arange(repeat.max(initial=0) + 2))
        time = self._timestamps[order].astype(np.float64)
        counts = np.ones((n, len(self._rates)))
        for low, high in pairwise(bounds[1:]):  # all second plays, all third ones, …
            these = by_repeat[low:high]
            counts[these] += counts[these - 1] * self._decay(time[these] - time[these - 1])
        self._counts = np.empty((n, len(self._rates)), np.float32)
        self._counts[order] = counts

    def _decay(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        kept: NDArray[np.float64] = np.exp(-age[:, None] * self._rates)
        return kept

    def bag(self, moments: Moments, listens: int) -> Bag:
        """What was played among the last `listens` listens before each moment, weighted by its decayed count.

        The counts go back to the first listen; `listens` bounds only how far back an item may have been heard last.
        """
        start = np.maximum(self._offsets[moments.row], moments.place - listens)
        length = moments.place - start
        row = np.repeat(np.arange(len(moments)), length)
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        listen = np.repeat(start, length) + within
        last = self._next[listen] >= np.repeat(moments.place, length)  # not played again before the moment
        last &= self._items[listen] >= 0
        listen, row = listen[last], row[last]
        age = (moments.now[row] - self._timestamps[listen]).astype(np.float64)
        weights = (self._counts[listen] * self._decay(age)).astype(np.float32)
        for scale, power in enumerate(self._powers):
            column = weights[:, scale]
            weights[:, scale] = np.log1p(column) if power == 0 else column**power
        return Bag(self._items[listen], weights, row)
