"""Decayed play counts of every item at any moment of any history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, Floats, Histories, Ids, distinct_in_rows

NEVER = np.iinfo(np.int32).max

KEPT = np.float16
"""What a count is kept in with every listen: right to one part in 2,000, in half the memory of single precision."""

COUNTED_AT_ONCE = 1 << 16
"""Listens, about, and whole rows: what is sorted and added up stays in the cache."""


@dataclass(frozen=True)
class Moments:
    """A requests: each is a moment in a row of some histories, after some of its listens."""

    row: Ids  # (A,)
    place: Ids  # (A,) place in the histories' arrays of the first listen that is not heard yet
    now: Ids  # (A,) seconds: the time of the request

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
    """The half-life of plays, and the power of their count."""

    days: float  # half-life; 0: no decay
    power: float  # a decayed count c weighs c ** power; 0: log(1 + c)

    @property
    def rate(self) -> float:
        """Of decay, per second."""
        return float(np.log(2) / (self.days * SECONDS_PER_DAY)) if self.days else 0.0

    def weigh(self, counts: Floats) -> Floats:
        """The weights of decayed counts."""
        if self.power == 1:
            return counts
        weights: Floats = np.log1p(counts) if self.power == 0 else counts**self.power
        return weights


@dataclass(frozen=True)
class Bag:
    """Distinct items per request, each with a weight per time scale."""

    items: Ids  # (n,) ascending within a request
    weights: Floats  # (n, scales)
    row: Ids  # (n,) number of the request, ascending

    def of_row(self, row: int) -> "Bag":
        """That of one request, in arrays of its own: those of many may be large, and a view would keep them."""
        low, high = np.searchsorted(self.row, [row, row + 1])
        return Bag(self.items[low:high].copy(), self.weights[low:high].copy(), np.zeros(high - low, np.int64))

    def take(self, rows: Ids) -> "Bag":
        """Those of some requests, in the given order."""
        starts, stops = (np.searchsorted(self.row, rows, side=side) for side in ("left", "right"))
        places = [np.zeros(0, np.int64), *(np.arange(low, high) for low, high in zip(starts, stops, strict=True))]
        place, row = np.concatenate(places), np.repeat(np.arange(len(rows)), stops - starts)
        return Bag(self.items[place], self.weights[place], row)


EMPTY = Bag(np.zeros(0, np.int64), np.zeros((0, 1), np.float32), np.zeros(0, np.int64))
"""An empty bag with one scale."""


def decayed_plays(histories: Histories, items: NDArray[np.integer], scales: Sequence[Scale]) -> Bag:
    """The weights of the items of each whole history. items: as of :class:`DecayedCounts`."""
    found, place = distinct_in_rows(histories.tracks.offsets, items, int(items.max(initial=-1)) + 1)
    age = histories.ages[items >= 0].astype(np.float64)
    weights = np.empty((len(found.values), len(scales)), np.float32)
    for number, scale in enumerate(scales):
        counts = np.bincount(place, np.exp(-scale.rate * age) if scale.days else None, minlength=len(weights))
        weights[:, number] = scale.weigh(counts.astype(np.float32))
    return Bag(found.values, weights, found.row_numbers())


@dataclass(frozen=True)
class Block:
    """The weights of R requests near each other in one history, for all items that any of them heard."""

    items: Ids  # (n,) distinct
    weights: Floats  # (R, scales, n), 0 for what a request did not hear


class DecayedCounts:
    """Plays of each item of each history, older ones counting less, by several half-lives.

    The count of an item at its i-th play follows from that at the one before: 1 + c(i - 1) * 0.5 ** (gap / half-life).
    It is kept with every listen, so that the counts at any later moment are read off the last listen of each item, and
    cost what the distinct items cost, however long the history. Counts beyond 65,504 are kept as that.
    """

    def __init__(self, histories: Histories, items: NDArray[np.integer], scales: Sequence[Scale]) -> None:
        """items: (total,) of each of histories.tracks.values; -1: unknown to the weights, and in no block."""
        self._offsets, self._timestamps = histories.tracks.offsets, histories.timestamps
        self._items = items.astype(np.int32, copy=False)
        self._scales, self._rates = scales, np.array([scale.rate for scale in scales])
        self._next = np.full(len(items), NEVER, np.int32)  # of each listen: the next one of the same item
        self._counts = np.empty((len(items), len(scales)), KEPT)
        rows = np.searchsorted(self._offsets, np.arange(0, len(items), COUNTED_AT_ONCE), side="right") - 1
        for first, end in pairwise([*np.unique(rows).tolist(), len(self._offsets) - 1]):
            self._count(histories.tracks.lengths[first:end], slice(self._offsets[first], self._offsets[end]))

    def _count(self, lengths: Ids, rows: slice) -> None:
        """Of some rows, with the given number of listens each."""
        items, begin = self._items[rows], rows.start
        key = np.repeat(np.arange(len(lengths)), lengths) * (int(items.max(initial=0)) + 2) + items + 1
        order = np.argsort(key, kind="stable")  # of one item in one row: one after the other, oldest first
        is_first = np.diff(key[order], prepend=-1) != 0
        self._next[begin + order[:-1][~is_first[1:]]] = begin + order[1:][~is_first[1:]]

        starts = np.flatnonzero(is_first)
        repeat = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))  # 0 for a first play
        time = self._timestamps[rows][order].astype(np.float64)
        counts, step = np.ones((len(order), len(self._rates)), np.float32), 1
        # A count holds the last `step` plays, and with those of the play `step` before it the last 2 * step: a prefix
        # sum (Hillis & Steele 1986) takes a pass for each doubling, not one for each repeat.
        while len(later := np.flatnonzero(repeat >= step)):
            earlier = later - step
            counts[later] += counts[earlier] * self._decay(time[later] - time[earlier])
            step *= 2
        self._counts[begin + order] = np.minimum(counts, np.finfo(KEPT).max)

    def _decay(self, seconds: NDArray[np.number]) -> NDArray[np.float64]:
        decay: NDArray[np.float64] = np.exp(-seconds[:, None] * self._rates)
        return decay

    def blocks(self, moments: Moments, listens: int) -> Iterator[Block]:
        """What was played among the last `listens` listens before each moment, weighted by its decayed count.

        The counts go back to the first listen; `listens` bounds only how far back an item may have been heard last.
        Moments that follow each other here share a block where they are of one history and less than `listens` apart.
        """
        apart = (np.diff(moments.row) != 0) | (np.abs(np.diff(moments.place)) >= listens)
        bounds = np.concatenate([[0], np.flatnonzero(apart) + 1, [len(moments)]])
        for low, high in pairwise(bounds):
            if low < high:
                yield self._block(moments, low, high, listens)

    def _block(self, moments: Moments, low: int, high: int, listens: int) -> Block:
        """Of moments low to high. The first of them is read off its last listens; from one to the next all that it
        holds decays, what was played in between is read anew, and what was last played too long ago is left out."""
        order = low + np.argsort(moments.place[low:high], kind="stable")
        place, now = moments.place[order], moments.now[order]
        start = max(self._offsets[moments.row[low]], place[0] - listens)
        heard = np.arange(start, place[-1])
        request = np.searchsorted(place, heard, side="right")  # the first that heard it
        is_last = (self._items[heard] >= 0) & (self._next[heard] >= place[request])  # of its item, as that one knows it
        heard, request = heard[is_last], request[is_last]
        items, column = np.unique(self._items[heard], return_inverse=True)
        counts = (self._counts[heard] * self._decay(now[request] - self._timestamps[heard])).T.astype(np.float32, "C")
        fade = self._decay(np.diff(now, prepend=now[0])).astype(np.float32)
        current, last = np.zeros((len(self._rates), len(items)), np.float32), np.full(len(items), -1)
        weights = np.empty((high - low, *current.shape), np.float32)
        heard_by = np.searchsorted(request, np.arange(len(place) + 1))
        forgotten_by = np.searchsorted(heard, place - listens)
        for number in range(len(place)):
            new = slice(heard_by[number], heard_by[number + 1])
            old = column[forgotten_by[number - 1] if number else 0 : forgotten_by[number]]
            current *= fade[number][:, None]
            current[:, column[new]], last[column[new]] = counts[:, new], heard[new]
            current[:, old[last[old] < place[number] - listens]] = 0
            weights[order[number] - low] = current
        for number, scale in enumerate(self._scales):
            weights[:, number] = scale.weigh(weights[:, number])
        return Block(items.astype(np.int64), weights)


def blocks_at_the_end(
    histories: Histories, items: NDArray[np.integer], scales: Sequence[Scale], listens: int
) -> list[Block]:
    """The blocks of one request per row, with everything heard, as :meth:`DecayedCounts.blocks` gives them.

    Nothing is kept for other moments: every item is counted once, over the whole history.
    """
    bag, offsets = decayed_plays(histories, items, scales), histories.tracks.offsets
    bounds = np.searchsorted(bag.row, np.arange(len(histories) + 1))
    blocks = []
    for row, (low, high) in enumerate(pairwise(bounds)):
        lately = items[max(offsets[row], offsets[row + 1] - listens) : offsets[row + 1]]
        heard = low + np.unique(np.searchsorted(bag.items[low:high], lately[lately >= 0]))
        blocks.append(Block(bag.items[heard], np.ascontiguousarray(bag.weights[heard].T)[None]))
    return blocks
