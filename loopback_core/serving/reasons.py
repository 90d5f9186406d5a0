"""Why a track is recommended: a fact about the history or the log, in words."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ids
from loopback_core.serving.listener import ListenerHistory

LAST_TRACKS = 20
"""Distinct tracks, the latest, whose neighbours are named as a reason."""


@dataclass(frozen=True)
class Reasons:
    """Reasons for one listener: the first that holds of each track."""

    served: ServedBundle
    listener: ListenerHistory

    def of(self, tracks: Ids) -> list[str]:
        """A sentence for each track, (n,)."""
        artists = self.served.bundle.catalog.artist[tracks].astype(np.int64)
        of_track = _plays(self.listener.ids, tracks, len(self.served.bundle.listen_artist))
        of_artist = _plays(self._heard_artists, artists, self.served.bundle.catalog.n_artists)
        rows = zip(tracks.tolist(), artists.tolist(), of_track.tolist(), of_artist.tolist(), strict=True)
        return [self._of_one(*row) for row in rows]

    def _of_one(self, track: int, artist: int, plays: int, plays_of_artist: int) -> str:
        if plays:
            return "You played it once" if plays == 1 else f"You played it {plays} times"
        if plays_of_artist:
            name = self._artist(artist)  # one that was only named was not listened to
            return f"You listened to {name} {plays_of_artist} times" if plays_of_artist > 1 else f"Also by {name}"
        if (before := self._led_to_by(track)) is not None:
            title = self.served.names["track_name"][before].as_py()
            return f"Often played with {title} by {self._artist(int(self.served.bundle.catalog.artist[before]))}"
        if (related := self._related_to(artist)) is not None:
            return f"Listeners of {self._artist(related)} play {self._artist(artist)}"
        listeners = int(self.served.bundle.catalog.listeners[track])
        if self.listener.is_known:
            return "Close to what you play"
        return f"Popular: {listeners:,} listener{'s' if listeners != 1 else ''}"

    def _artist(self, artist: int) -> str:
        return self.served.artist_name(artist)

    @property
    def _heard_artists(self) -> Ids:
        return self.served.bundle.listen_artist[self.listener.ids].astype(np.int64)

    def _led_to_by(self, track: int) -> int | None:
        """The one of the last tracks that this one is played with most."""
        others, weights, last = self._neighbours
        place = np.flatnonzero(others == track)
        return int(last[place[np.argmax(weights[place])]]) if len(place) else None

    @cached_property
    def _neighbours(self) -> tuple[Ids, np.ndarray, Ids]:
        """The neighbours of the last tracks, with the weight of each and the track whose neighbour it is."""
        neighbours = self.served.bundle.towers.relations.tracks
        if neighbours is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64)
        ids = self.listener.ids[self.listener.ids < len(neighbours.rules)]
        last = np.array(list(dict.fromkeys(ids[::-1].tolist()))[:LAST_TRACKS], np.int64)
        read = [rows.of_rows(last) for rows in (neighbours.sessions, neighbours.rules)]
        others, weights = (
            np.concatenate(parts) for parts in zip(*((one.columns, one.values) for one in read), strict=True)
        )
        return others, weights, np.concatenate([np.repeat(last, np.diff(one.ends)) for one in read])

    def _related_to(self, artist: int) -> int | None:
        """The heard artist that says most for this one."""
        related = self.served.bundle.towers.relations.artists
        if related is None or not len(self._heard_related[0]):
            return None
        column = int(np.searchsorted(related.artists, artist))
        if column == len(related.artists) or related.artists[column] != artist:
            return None
        rows, logs = self._heard_related
        says = related.weights[rows, column] * logs
        best = int(np.argmax(says))
        return int(related.artists[rows[best]]) if says[best] > 0 else None

    @cached_property
    def _heard_related(self) -> tuple[Ids, np.ndarray]:
        """Rows of the related artists that were heard, and the logarithms of their plays."""
        related = self.served.bundle.towers.relations.artists
        assert related is not None
        plays = np.bincount(self._heard_artists, minlength=self.served.bundle.catalog.n_artists)[related.artists]
        rows = np.flatnonzero(plays)
        return rows, np.log1p(plays[rows])


def _plays(heard: Ids, wanted: Ids, n: int) -> Ids:
    """How often each of some ids, (wanted,), was heard. heard: (listens,). n: all ids are below it."""
    is_wanted = np.zeros(n, np.bool_)
    is_wanted[wanted] = True
    distinct, counts = np.unique(heard[is_wanted[heard]], return_counts=True)
    plays: Ids = np.zeros(len(wanted), np.int64)
    if len(distinct):
        place = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
        plays = np.where(distinct[place] == wanted, counts[place], 0)
    return plays
