"""What a re-ranking reads of histories: found once, however often their lists are put in order."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Histories, Ids


class Familiar:
    """The tracks and artists of some histories."""

    def __init__(self, histories: Histories, artist: NDArray[np.int32]) -> None:
        """artist: (n,) that of every track; listens to other tracks are left out of `taste`."""
        self._histories, self._artist = histories, artist
        self._asked: set[int] = set()
        self._tracks: dict[int, Ids] = {}
        self._taste: dict[int, tuple[Ids, NDArray[np.float64]]] = {}

    def knows(self, row: int, tracks: Ids) -> NDArray[np.bool_]:
        """(n,): whether history `row` holds each of these tracks, of which there are few."""
        if row not in self._tracks:
            heard = self._histories.tracks[row]
            if row not in self._asked:  # sorting a long history takes longer than one comparison with a few tracks
                self._asked.add(row)
                return np.isin(tracks, heard[np.isin(heard, tracks)])
            self._tracks[row] = np.unique(heard)
        known = self._tracks[row]
        if not len(known):
            return np.zeros(len(tracks), np.bool_)
        found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, tracks), len(known) - 1)] == tracks
        return found

    def taste(self, row: int) -> tuple[Ids, NDArray[np.float64]]:
        """The artists of history `row`, ascending, and the share of its listens that each has."""
        if row not in self._taste:
            heard = self._histories.tracks[row]
            artists, plays = np.unique(self._artist[heard[heard < len(self._artist)]], return_counts=True)
            self._taste[row] = artists.astype(np.int64), plays / max(plays.sum(), 1)
        return self._taste[row]
