"""A window of time to measure on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Events, FitData, Ids


@dataclass(frozen=True)
class Period:
    """The listens of a window of time, and what was known when it began."""

    fit: FitData
    held_out: Events  # the listens in the window
    users: Ids  # (users,) ascending dense ids: who may be scored by what they played before
    log_artist: NDArray[np.int32]  # (n_log_tracks,) artist of every track of the log
    early_fit: FitData | None = None  # what the reference protocol fits; None: `fit`

    @property
    def begins_at_once(self) -> bool:
        """Whether it begins at one moment of the log for all users: so with the split strategies `global` and `dates`."""
        return not self.fit.own_moments

    def drawn(self, most_users: int, seed: int) -> "Period":
        """The same with at most so many of the users who may be scored, drawn by seed from those with listens in the window."""
        users = np.intersect1d(self.users, self.held_out.user)
        if len(users) <= most_users:
            return self
        return replace(self, users=np.sort(np.random.default_rng(seed).permutation(users)[:most_users]))

    def with_their_listens(self) -> "Period":
        """The same whose fit data holds the listens of those who may be scored, and no others: tasks are made sooner."""
        theirs = self.fit.events.where(np.isin(self.fit.events.user, self.users))
        return replace(self, fit=replace(self.fit, events=theirs))

    def after(self, share: float) -> "Period":
        """The rest of the window after the first `share` of its listens, which are known by then.

        Of these only listens to catalog tracks are: the catalog remains that of the beginning.
        """
        known = np.arange(len(self.held_out)) < int(share * len(self.held_out))
        in_catalog = self.held_out.track < self.fit.catalog.n_tracks
        events = self.fit.events.then(self.held_out.where(known & in_catalog))
        fit = replace(self.fit, events=events, now=int(events.timestamp[-1]))
        return replace(self, fit=fit, held_out=self.held_out.where(~known), early_fit=None)
