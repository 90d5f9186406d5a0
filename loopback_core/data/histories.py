"""What users played, oldest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data.events import Events
from loopback_core.data.ragged import Ids, Ragged


def repeats(ids: Ids, times: Ids) -> Ids:
    """The places of the listens that repeat one before them, of the same id at the same second. Times ascend, (listens,)."""
    same = np.diff(times) == 0
    place = np.flatnonzero(np.append(same, False) | np.append(False, same))  # few: only these are sorted
    place = place[np.lexsort((ids[place], times[place]))]
    again: Ids = place[1:][(np.diff(ids[place]) == 0) & (np.diff(times[place]) == 0)]
    return again


@dataclass(frozen=True)
class Histories:
    """The listens of some users up to now, each row oldest first. A row may be empty.

    `users` are the dense ids, or -1 for a user whom the fit data does not know.
    """

    users: Ids  # (rows,)
    tracks: Ragged  # rows of track ids
    timestamps: Ids  # (total,) seconds, aligned with tracks.values
    now: Ids  # (rows,) seconds: the moment of each request
    demographics: NDArray[np.int16] | None = None  # (rows, 3) codes

    @property
    def ages(self) -> Ids:
        """Seconds from every listen to its row's now, (total,), aligned with tracks.values."""
        return np.repeat(self.now, self.tracks.lengths) - self.timestamps

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def of(cls, events: Events, users: Ids, now: int, demographics: NDArray[np.int16] | None = None) -> Self:
        """The histories of `users` (rows, dense ids) in `events`, all asked for at the same moment `now`.

        Costs the listens of these users, once the events are grouped by user. demographics: (log users, 3) codes by
        dense id.
        """
        users = np.asarray(users, np.int64)
        tracks, timestamps = events.by_user.of(users)
        who = None if demographics is None else demographics[users]
        return cls(users, tracks, timestamps, np.full(len(users), now, np.int64), who)

    def after_the_last_listen(self) -> Histories:
        """The same, each asked for at the time of its last listen; an empty row keeps its moment."""
        now = self.now.copy()
        heard = self.tracks.lengths > 0
        now[heard] = self.timestamps[self.tracks.offsets[1:][heard] - 1]
        return replace(self, now=now)

    def until(self, place: Ids, now: Ids) -> tuple[Histories, NDArray[np.bool_]]:
        """The listens of each row before a place in the arrays, (rows,), asked for at `now`, (rows,); and which they are."""
        heard = np.arange(len(self.timestamps)) < np.repeat(place, self.tracks.lengths)
        offsets = np.concatenate([[0], np.cumsum(place - self.tracks.offsets[:-1])]).astype(np.int64)
        tracks = Ragged(offsets, self.tracks.values[heard])
        return Histories(self.users, tracks, self.timestamps[heard], now, self.demographics), heard

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
