"""The catalog: what the fit data says of each track and artist, and nothing later."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, Events

Column = NDArray[np.int64]


def count_catalog(events: Events, artist_of_track: NDArray[np.int32]) -> Catalog:
    """Count plays, listeners and first moments over the fit data.

    events: the fit data, sorted by time. artist_of_track: (tracks of the log,) of which the catalog is the prefix
    that occurs in `events`.
    """
    n_tracks = int(events.track.max(initial=-1)) + 1
    artist = artist_of_track[:n_tracks]
    n_artists = int(artist.max(initial=-1)) + 1
    plays, listeners, first_seen = _count(events.user, events.track, events.timestamp, n_tracks)
    by_artist = _count(events.user, artist[events.track], events.timestamp, n_artists)
    n_users = int(events.user.max(initial=-1)) + 1
    return Catalog(n_users, artist, plays, listeners, first_seen, *by_artist)


def _count(
    user: NDArray[np.int32], item: NDArray[np.int32], timestamp: Column, n_items: int
) -> tuple[Column, Column, Column]:
    """Plays, distinct users and first timestamp of every item, each (n_items,); input sorted by time."""
    plays = np.bincount(item, minlength=n_items).astype(np.int64)
    pairs = np.sort(user.astype(np.int64) * n_items + item)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique hashes, which is many times slower
    listeners = np.bincount(pairs % max(n_items, 1), minlength=n_items).astype(np.int64)
    first_seen = np.zeros(n_items, np.int64)
    first_seen[item[::-1]] = timestamp[::-1]  # written newest first, so the oldest stays
    return plays, listeners, first_seen
