"""Listens as arrays of dense ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SECONDS_PER_DAY = 86_400


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
