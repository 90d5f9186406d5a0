"""The plain data that every stage after the splits works on: events, catalog, ragged lists.

Ids are dense. Tracks, artists and users are numbered by the part in which they first occur: first those of train,
then those that first occur in validation, then those that first occur in test. So "known to train" is `id < n_train`,
"known at the end of validation" is `id < n_fit`: a catalog is a prefix of the ids, and nothing later is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from loopback_core.features.names import TrackNames

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

SECONDS_PER_DAY = 86_400


def stable_order(rows: NDArray[np.integer], n_rows: int) -> Ids:
    """The places of `rows` sorted by row, (total,); within a row the order of the input is kept. rows: in [0, n_rows).

    Numbers of two bytes are sorted by counting, which takes a quarter of the time.
    """
    return np.argsort(rows.astype(np.uint16) if n_rows <= 1 << 16 else rows, kind="stable")


@dataclass(frozen=True)
class Ragged:
    """Lists of different lengths in one array: row i is `values[offsets[i]:offsets[i + 1]]`."""

    offsets: Ids  # (rows + 1,)
    values: Ids  # (total,)

    @classmethod
    def from_pairs(cls, rows: Ids, values: Ids, n_rows: int) -> Self:
        """Group `values` by `rows`; within a row the order of the input is kept.

        rows: (total,) in [0, n_rows). values: (total,).
        """
        order = stable_order(rows, n_rows)
        counts = np.bincount(rows, minlength=n_rows)
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.asarray(values)[order].astype(np.int64),
        )

    @property
    def lengths(self) -> Ids:
        """Length of every row, (rows,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Ids:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: Ids) -> Ragged:
        """The given rows, in the given order."""
        begins = self.offsets[rows]
        lengths = self.offsets[np.asarray(rows) + 1] - begins
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(offsets[-1])
        places += np.repeat(begins - offsets[:-1], lengths)
        return Ragged(offsets, self.values[places])

    def row_numbers(self) -> Ids:
        """The row of every value, (total,)."""
        return np.repeat(np.arange(len(self)), self.lengths)


ITEMS_PER_SORTED = 1000
"""So many items of a table are looked through in the time in which one is sorted."""


def distinct_in_rows(offsets: Ids, items: NDArray[np.integer], n_items: int) -> tuple[Ragged, NDArray[np.int32]]:
    """Row i: the distinct items at offsets[i] to offsets[i + 1], ascending; and the place of every item in the values.

    items: (total,) below n_items, or negative for what belongs to no row and gets no place. Long rows are marked in one
    table of all items, so that only short ones are sorted.
    """
    present, number = np.zeros(n_items, np.bool_), np.empty(n_items, np.int32)
    rows, places, begins = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [0]
    for low, high in pairwise(offsets.tolist()):
        of_row = items[low:high]
        of_row = of_row[of_row >= 0]
        if len(of_row) * ITEMS_PER_SORTED < n_items:
            distinct = np.unique(of_row).astype(np.int64)
        else:
            present[of_row] = True
            distinct = np.flatnonzero(present)
            present[distinct] = False
        number[distinct] = np.arange(begins[-1], begins[-1] + len(distinct))
        rows.append(distinct)
        places.append(number[of_row])
        begins.append(begins[-1] + len(distinct))
    return Ragged(np.array(begins, np.int64), np.concatenate(rows)), np.concatenate(places)


@dataclass(frozen=True)
class Events:
    """Listens as dense ids, sorted by time (ties: by user, then by place in the log). All arrays are (n,)."""

    user: NDArray[np.int32]
    track: NDArray[np.int32]
    timestamp: NDArray[np.int64]  # seconds since 1970-01-01 UTC

    def __len__(self) -> int:
        return len(self.user)

    def where(self, keep: NDArray[np.bool_]) -> Events:
        """The events for which `keep` holds."""
        return Events(self.user[keep], self.track[keep], self.timestamp[keep])

    def then(self, later: Events) -> Events:
        """These events and `later`, sorted by time (stable)."""
        timestamp = np.concatenate([self.timestamp, later.timestamp])
        order = np.argsort(timestamp, kind="stable")
        user = np.concatenate([self.user, later.user])
        track = np.concatenate([self.track, later.track])
        return Events(user[order], track[order], timestamp[order])


@dataclass(frozen=True)
class Catalog:
    """What is known of users, tracks and artists at prediction time, and nothing later."""

    n_users: int
    artist: NDArray[np.int32]  # (n_tracks,) artist of each track
    plays: NDArray[np.int64]  # (n_tracks,) events in the fit data
    listeners: NDArray[np.int64]  # (n_tracks,) distinct users in the fit data
    first_seen: NDArray[np.int64]  # (n_tracks,) seconds since 1970-01-01 UTC
    artist_plays: NDArray[np.int64]  # (n_artists,)
    artist_listeners: NDArray[np.int64]  # (n_artists,)
    artist_first_seen: NDArray[np.int64]  # (n_artists,)

    @property
    def n_tracks(self) -> int:
        """Tracks in the catalog."""
        return len(self.artist)

    @property
    def n_artists(self) -> int:
        """Artists in the catalog."""
        return len(self.artist_plays)

    @cached_property
    def tracks_of_artist(self) -> Ragged:
        """Row a: the tracks of artist a."""
        return Ragged.from_pairs(self.artist.astype(np.int64), np.arange(self.n_tracks), self.n_artists)


@dataclass(frozen=True)
class FitData:
    """All that a recommender may learn from: the events, the catalog they make, and the moment of prediction."""

    events: Events
    catalog: Catalog
    now: int  # seconds since 1970-01-01 UTC: the end of the fit data, the same for every user
    demographics: NDArray[np.int16] | None = None  # (log users, 3) codes, 0 for what nobody told; None: no profiles
    names: TrackNames | None = None  # of every track of the log

    def histories(self, users: Ids) -> Histories:
        """What these users played, all asked for now. Tasks of the same users share them while one of them is there."""
        found = self._asked_for.get(users.tobytes())
        if found is None:
            found = Histories.of(self.events, users, self.now, self.demographics)
            self._asked_for[users.tobytes()] = found
        return found

    @cached_property
    def _asked_for(self) -> WeakValueDictionary[bytes, Histories]:
        return WeakValueDictionary()

    @cached_property
    def plays(self) -> csr_array:
        """Listens of each user to each track, (n_users, n_tracks) float32; made once for all who ask."""
        from scipy.sparse import csr_array

        shape = self.catalog.n_users, self.catalog.n_tracks
        ones = np.ones(len(self.events), np.float32)
        counted = csr_array((ones, (self.events.user, self.events.track)), shape)
        counted.sum_duplicates()
        return counted


@dataclass(frozen=True)
class Histories:
    """The listens of some users up to now, each row oldest first. A row may be empty.

    `users` are the dense ids, or -1 for somebody whom the fit data does not know.
    """

    users: Ids  # (rows,)
    tracks: Ragged  # rows of track ids
    timestamps: Ids  # (total,) seconds, beside tracks.values
    now: Ids  # (rows,) seconds: the moment of each request
    demographics: NDArray[np.int16] | None = None  # (rows, 3) codes

    @property
    def ages(self) -> Ids:
        """Seconds from every listen to its row's now, (total,), beside tracks.values."""
        return np.repeat(self.now, self.tracks.lengths) - self.timestamps

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def of(cls, events: Events, users: Ids, now: int, demographics: NDArray[np.int16] | None = None) -> Self:
        """The histories of `users` (rows, dense ids) in `events`, all asked for at the same moment `now`.

        demographics: (log users, 3) codes by dense id.
        """
        n_users = int(max(events.user.max(initial=-1), np.max(users, initial=-1))) + 1
        order = stable_order(events.user, n_users)  # events are sorted by time, so each row is too
        counts = np.bincount(events.user, minlength=n_users)
        whole = Ragged(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), order.astype(np.int64))
        chosen = whole.take(np.asarray(users, dtype=np.int64))
        tracks = events.track[chosen.values].astype(np.int64)
        moments = np.full(len(chosen), now, np.int64)
        who = None if demographics is None else demographics[users]
        return cls(np.asarray(users), Ragged(chosen.offsets, tracks), events.timestamp[chosen.values], moments, who)

    def rows(self, start: int, stop: int) -> Histories:
        """Rows start to stop."""
        low, high = self.tracks.offsets[start], self.tracks.offsets[stop]
        tracks = Ragged(self.tracks.offsets[start : stop + 1] - low, self.tracks.values[low:high])
        who = None if self.demographics is None else self.demographics[start:stop]
        return Histories(self.users[start:stop], tracks, self.timestamps[low:high], self.now[start:stop], who)

    def take(self, rows: Ids) -> Histories:
        """The given rows, in the given order."""
        places = Ragged(self.tracks.offsets, np.arange(len(self.timestamps))).take(rows)
        tracks = Ragged(places.offsets, self.tracks.values[places.values])
        who = None if self.demographics is None else self.demographics[rows]
        return Histories(self.users[rows], tracks, self.timestamps[places.values], self.now[rows], who)
