"""Listens as arrays of dense ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loopback_core.data.listens_by_user import ListensByUser

SECONDS_PER_DAY = 86_400

SESSION_GAP = 30 * 60
"""A session ends where nothing is played for this many seconds."""


@dataclass(frozen=True)
class Events:
    """Listens as dense ids, sorted by time (ties: by user, then by place in the log). All arrays are (n,)."""

    user: NDArray[np.int32]
    track: NDArray[np.int32]
    timestamp: NDArray[np.int64]  # seconds since 1970-01-01 UTC
    published: ListensByUser | None = field(default=None, repr=False)  # the same listens as the splits wrote them

    @cached_property
    def by_user(self) -> ListensByUser:
        """The same listens grouped by user: as published, otherwise grouped once and kept."""
        return self.published or ListensByUser.group(self.user, self.track, self.timestamp)

    def __len__(self) -> int:
        return len(self.user)

    def where(self, keep: NDArray[np.bool_]) -> Events:
        """The events for which `keep` holds."""
        return Events(self.user[keep], self.track[keep], self.timestamp[keep])

    def then(self, later: Events) -> Events:
        """These events and `later`, sorted by time (stable)."""
        if not len(later):
            return self
        timestamp = np.concatenate([self.timestamp, later.timestamp])
        order = np.argsort(timestamp, kind="stable")
        user = np.concatenate([self.user, later.user])
        track = np.concatenate([self.track, later.track])
        return Events(user[order], track[order], timestamp[order])
