"""The catalog: what the fit data says of each track and artist, and nothing later."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, Events

Counts = NDArray[np.int64]

NOT_PLAYED = np.iinfo(np.int64).max


@dataclass
class ItemCounts:
    """Plays, distinct users and first moment of each item, (n,); NOT_PLAYED where it is not played."""

    n: int
    plays: Counts = field(init=False)
    listeners: Counts = field(init=False)
    first_seen: Counts = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.plays, self.listeners = np.zeros(self.n, np.int64), np.zeros(self.n, np.int64)
        self.first_seen = np.full(self.n, NOT_PLAYED)

    def add(self, item: NDArray[np.integer], timestamp: Counts, item_of_pair: NDArray[np.integer]) -> None:
        """Count listens. item_of_pair: the item of every distinct (user, item) among them."""
        self.plays += np.bincount(item, minlength=self.n)
        self.listeners += np.bincount(item_of_pair, minlength=self.n)
        np.minimum.at(self.first_seen, item, timestamp)

    def take(self, items: NDArray[np.integer]) -> tuple[Counts, Counts, Counts]:
        """Plays, listeners and first moment of these items, in this order; 0 where one is not played."""
        first = self.first_seen[items]
        return self.plays[items], self.listeners[items], np.where(first == NOT_PLAYED, 0, first)


class CatalogCounts:
    """Counts of all tracks and artists, to which the listens of whole users are added."""

    def __init__(self, artist_of_track: NDArray[np.integer], n_artists: int) -> None:
        self._artist = artist_of_track
        self.tracks, self.artists = ItemCounts(len(artist_of_track)), ItemCounts(n_artists)

    def add(self, user: NDArray[np.integer], track: NDArray[np.integer], timestamp: Counts) -> None:
        """Count listens, (n,), in any order: no later call may bring one of these users again."""
        listener, heard = _distinct_pairs(user, track, self.tracks.n)
        self.tracks.add(track, timestamp, heard)
        # Of pairs, not of listens: there are many fewer of them to sort.
        _, heard_artist = _distinct_pairs(listener, self._artist[heard], self.artists.n)
        self.artists.add(self._artist[track], timestamp, heard_artist)


def count_catalog(events: Events, artist_of_track: NDArray[np.int32]) -> Catalog:
    """Count plays, listeners and first moments over the fit data.

    events: the fit data. artist_of_track: (tracks of the log,) of which the catalog is the prefix that occurs in `events`.
    """
    n_tracks = int(events.track.max(initial=-1)) + 1
    artist = artist_of_track[:n_tracks]
    n_artists = int(artist.max(initial=-1)) + 1
    counts = CatalogCounts(artist, n_artists)
    counts.add(events.user, events.track, events.timestamp)
    by_track, by_artist = counts.tracks.take(np.arange(n_tracks)), counts.artists.take(np.arange(n_artists))
    return Catalog(int(events.user.max(initial=-1)) + 1, artist, *by_track, *by_artist)


def _distinct_pairs(user: NDArray[np.integer], item: NDArray[np.integer], n_items: int) -> tuple[Counts, Counts]:
    """User and item of every pair that occurs, by user and item."""
    pairs = np.sort(user.astype(np.int64) * n_items + item)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique hashes, which is many times slower
    return pairs // max(n_items, 1), pairs % max(n_items, 1)
