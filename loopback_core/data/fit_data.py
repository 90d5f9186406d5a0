"""All that a recommender may learn from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from loopback_core.data.catalog import Catalog
from loopback_core.data.events import Events
from loopback_core.data.histories import Histories
from loopback_core.data.ragged import Ids

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from loopback_core.data.names import TrackNames


@dataclass(frozen=True)
class FitData:
    """All that a recommender may learn from: the events, the catalog they make, and the moment of prediction."""

    events: Events
    catalog: Catalog
    now: int  # seconds since 1970-01-01 UTC: the end of the fit data
    demographics: NDArray[np.int16] | None = None  # (log users, 3) codes, 0: unknown; None: the log has no profiles
    names: TrackNames | None = None  # of every track of the log
    own_moments: bool = False  # every user asks right after the last listen of his history, not at `now`

    def histories(self, users: Ids) -> Histories:
        """What these users played, all asked for now, or each after the last of it: reads their listens alone.

        Tasks of the same users share one object for as long as one of them holds it.
        """
        histories = self._in_use.get(users.tobytes())
        if histories is None:
            histories = Histories.of(self.events, users, self.now, self.demographics)
            histories = histories.after_the_last_listen() if self.own_moments else histories
            self._in_use[users.tobytes()] = histories
        return histories

    @cached_property
    def _in_use(self) -> WeakValueDictionary[bytes, Histories]:
        return WeakValueDictionary()

    @cached_property
    def plays(self) -> csr_array:
        """Listens of each user to each track, (n_users, n_tracks) float32; made once and kept."""
        from scipy.sparse import csr_array

        shape = self.catalog.n_users, self.catalog.n_tracks
        ones = np.ones(len(self.events), np.float32)
        counted = csr_array((ones, (self.events.user, self.events.track)), shape)
        counted.sum_duplicates()
        return counted
