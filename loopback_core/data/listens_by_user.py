"""The listens of a log grouped by user, so that those of one user are read without those of the others."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data.ragged import Ids, Ragged, stable_order


@dataclass(frozen=True)
class ListensByUser:
    """User u played tracks[starts[u]:stops[u]] at timestamps[starts[u]:stops[u]], oldest first."""

    starts: Ids  # (n_users,)
    stops: Ids  # (n_users,)
    tracks: NDArray[np.int32]  # (total,)
    timestamps: NDArray[np.uint32]  # (total,) seconds since 1970-01-01 UTC; 32 bits last until 2106

    @classmethod
    def group(cls, user: NDArray[np.integer], track: NDArray[np.int32], timestamp: Ids) -> Self:
        """Group listens that are sorted by time; all arrays are (total,)."""
        n_users = int(user.max(initial=-1)) + 1
        order = stable_order(user, n_users)
        stops = np.cumsum(np.bincount(user, minlength=n_users)).astype(np.int64)
        starts = np.concatenate([[0], stops])[:-1].astype(np.int64)
        return cls(starts, stops, track[order], timestamp.astype(np.uint32)[order])

    @property
    def lengths(self) -> Ids:
        """Listens of every user, (n_users,)."""
        return self.stops - self.starts

    def of(self, users: Ids) -> tuple[Ragged, Ids]:
        """Row i: the tracks of users[i]; and their timestamps, aligned with the values. Other users are not read.

        users: (rows,); one who is not among them has an empty row.
        """
        known = (users >= 0) & (users < len(self.starts))
        starts, stops = (np.where(known, bounds[users * known], 0) for bounds in (self.starts, self.stops))
        return Ragged.between(self.tracks, starts, stops), Ragged.between(self.timestamps, starts, stops).values
