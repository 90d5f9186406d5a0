"""The catalog: what the fit data says of each track and artist, and nothing later."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, Events

Counts = NDArray[np.int64]


def count_catalog(events: Events, artist_of_track: NDArray[np.int32]) -> Catalog:
    """Count plays, listeners and first moments over the fit data.

    events: the fit data, sorted by time. artist_of_track: (tracks of the log,) of which the catalog is the prefix
    that occurs in `events`.
    """
    n_tracks = int(events.track.max(initial=-1)) + 1
    artist = artist_of_track[:n_tracks]
    n_artists = int(artist.max(initial=-1)) + 1
    n_users = int(events.user.max(initial=-1)) + 1
    listener, heard = _distinct_pairs(events.user, events.track, n_tracks)
    by_track = _count(events.track, events.timestamp, heard, n_tracks)
    # Of pairs, not of listens: there are many fewer of them to sort.
    _, heard_artist = _distinct_pairs(listener, artist[heard], n_artists)
    by_artist = _count(artist[events.track], events.timestamp, heard_artist, n_artists)
    return Catalog(n_users, artist, *by_track, *by_artist)


def _count(
    item: NDArray[np.int32], timestamp: Counts, item_of_pair: Counts, n_items: int
) -> tuple[Counts, Counts, Counts]:
    """Plays, distinct users and first timestamp of every item, each (n_items,); input sorted by time."""
    plays, listeners = (np.bincount(of, minlength=n_items).astype(np.int64) for of in (item, item_of_pair))
    first_seen = np.zeros(n_items, np.int64)
    first_seen[item[::-1]] = timestamp[::-1]  # written newest first, so the oldest stays
    return plays, listeners, first_seen


def _distinct_pairs(user: NDArray[np.integer], item: NDArray[np.integer], n_items: int) -> tuple[Counts, Counts]:
    """User and item of every pair that occurs, by user and item."""
    pairs = np.sort(user.astype(np.int64) * n_items + item)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique hashes, which is many times slower
    return pairs // max(n_items, 1), pairs % max(n_items, 1)
