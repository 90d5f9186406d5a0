"""A period of some users only, as small as a log of theirs would be."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Events, FitData, Ids
from loopback_core.data.names import TrackNames
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.period import Period


def sample_of(period: Period, listens: int, seed: int) -> Period:
    """The period of whole users with about `listens` listens in the fit data, drawn by seed; itself where it has fewer.

    Users, tracks and artists are numbered anew, in their order: the catalog is that of these users, and what they play
    later of other tracks is left out.
    """
    fit = period.fit
    if len(fit.events) <= listens:
        return period
    users = _draw(np.bincount(fit.events.user, minlength=fit.catalog.n_users), listens, seed)
    events = fit.events.where(np.isin(fit.events.user, users))
    tracks = np.unique(events.track)
    _, artist = np.unique(fit.catalog.artist[tracks], return_inverse=True)
    held_out = period.held_out.where(np.isin(period.held_out.user, users) & np.isin(period.held_out.track, tracks))
    numbered, held_out = (
        Events(_number(of.user, users), _number(of.track, tracks), of.timestamp) for of in (events, held_out)
    )
    of_tracks = artist.astype(np.int32)
    names = fit.names
    small = FitData(
        numbered,
        count_catalog(numbered, of_tracks),
        int(numbered.timestamp[-1]),
        None if fit.demographics is None else fit.demographics[users],
        None if names is None else TrackNames(lambda: names.frame[tracks].with_columns(artist=of_tracks)),
        fit.own_moments,
    )
    return replace(
        period,
        fit=small,
        held_out=held_out,
        users=np.searchsorted(users, period.users[np.isin(period.users, users)]),
        log_artist=of_tracks,
        early_fit=None,
    )


def _draw(listens_of: Ids, listens: int, seed: int) -> Ids:
    """At least two users, ascending, with about `listens` listens together."""
    known = np.flatnonzero(listens_of)
    drawn = np.random.default_rng(seed).permutation(known)
    enough = int(np.searchsorted(np.cumsum(listens_of[drawn]), listens)) + 1
    return np.sort(drawn[: max(enough, 2)])


def _number(ids: NDArray[np.int32], known: NDArray[np.integer]) -> NDArray[np.int32]:
    """The place of each id among those that are known, which are ascending."""
    return np.searchsorted(known, ids).astype(np.int32)
