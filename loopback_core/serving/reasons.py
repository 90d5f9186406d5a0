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
        return [self._of_one(int(track), int(self.served.bundle.catalog.artist[track])) for track in tracks]

    def _of_one(self, track: int, artist: int) -> str:
        if plays := self._plays_of_track.get(track):
            return "You played it once" if plays == 1 else f"You played it {plays} times"
        if plays := self._plays_of_artist.get(artist):
            return f"You listened to {self._artist(artist)}" + (f" {plays} times" if plays > 1 else "")
        if (before := self._led_to_by.get(track)) is not None:
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

    @cached_property
    def _plays_of_track(self) -> dict[int, int]:
        ids = self.listener.ids
        return _counts(ids[ids < self.served.bundle.catalog.n_tracks])

    @cached_property
    def _plays_of_artist(self) -> dict[int, int]:
        return _counts(self.served.bundle.listen_artist[self.listener.ids].astype(np.int64))

    @cached_property
    def _led_to_by(self) -> dict[int, int]:
        """Track -> the one of the last tracks that it is played with most."""
        neighbours = self.served.bundle.towers.relations.tracks
        if neighbours is None:
            return {}
        ids = self.listener.ids[self.listener.ids < len(neighbours.rules)]
        last = dict.fromkeys(ids[::-1].tolist())
        best: dict[int, tuple[float, int]] = {}
        for rows in (neighbours.sessions, neighbours.rules):
            for track in list(last)[:LAST_TRACKS]:
                part = slice(int(rows.indptr[track]), int(rows.indptr[track + 1]))
                for other, weight in zip(rows.indices[part].tolist(), rows.data[part].tolist(), strict=True):
                    if weight > best.get(other, (0.0, 0))[0]:
                        best[other] = (weight, track)
        return {other: track for other, (_, track) in best.items()}

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
        heard = np.array(sorted(self._plays_of_artist), np.int64)
        rows = np.searchsorted(related.artists, heard)
        inside = rows < len(related.artists)
        rows, heard = rows[inside], heard[inside]
        same = related.artists[rows] == heard
        plays = np.array([self._plays_of_artist[one] for one in heard[same].tolist()])
        return rows[same], np.log1p(plays)


def _counts(ids: Ids) -> dict[int, int]:
    distinct, counts = np.unique(ids[ids >= 0], return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True))
