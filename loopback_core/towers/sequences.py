"""The last listens before each request, in order: what the sequence encoder reads."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loopback_core.data import Histories, Ids
from loopback_core.towers.decayed_counts import Moments, artist_of_listens
from loopback_core.towers.inputs import Inputs

NO_LISTEN = -1


@dataclass(frozen=True)
class Sequences(Inputs):
    """C stretches of L listens, oldest first, from which A requests are read.

    Stretches of one history overlap, so that each listen has W - 1 others before it in the stretch in whose later part
    it lies: one pass over a stretch answers every request there.
    """

    tracks: Tensor  # (C, L) int64, NO_LISTEN where there is no listen
    artists: Tensor  # (C, L) int64, likewise
    seconds: Tensor  # (C, L) float32: time since the first listen of the stretch
    last: Tensor  # (A,) int64: place of the last listen that each request has heard, in the flattened stretches
    waited: Tensor  # (A,) float32: seconds from that listen to the request


class SequenceReader:
    """Cuts stretches out of some histories."""

    def __init__(self, histories: Histories, artist: NDArray[np.int32], window: int) -> None:
        """artist: (tracks,) the artist of every catalog track. window: W, the listens that the encoder looks back."""
        self._offsets, self._timestamps = histories.tracks.offsets, histories.timestamps
        self._tracks, self._artists = histories.tracks.values, artist_of_listens(histories, artist)
        self.window = window

    def read(self, moments: Moments) -> Sequences:
        """The stretches that hold what each request heard last: 2 W listens each, or all of shorter histories."""
        window, begins = self.window, self._offsets[moments.row]
        last = moments.place - 1 - begins  # -1 where nothing was heard: a stretch without listens
        part = np.maximum(last // window - 1, -(last < 0).astype(np.int64))  # the first 2 W listens are one stretch
        key = moments.row * (len(self._tracks) + 2) + part + 1
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        row, start = moments.row[first], begins[first] + part[first] * window
        stop = np.maximum.reduceat(
            moments.place[np.argsort(number, kind="stable")], np.searchsorted(np.sort(number), np.arange(len(first)))
        )
        length = max(1, int((stop - np.maximum(start, self._offsets[row])).max(initial=0)))
        listen = start[:, None] + np.arange(length)
        is_listen = (listen >= self._offsets[row][:, None]) & (listen < stop[:, None])
        tracks, artists, seconds = (np.full(listen.shape, NO_LISTEN, np.int64) for _ in range(3))
        seconds[...] = 0
        heard = listen[is_listen]
        tracks[is_listen], artists[is_listen] = self._tracks[heard], self._artists[heard]
        seconds[is_listen] = self._timestamps[heard]
        seconds = np.where(is_listen, seconds - seconds[:, :1], 0)
        nothing = last < 0
        waited = moments.now - np.where(nothing, moments.now, self._at(moments.place - 1))
        place = number * length + np.where(nothing, 0, last - part * window)
        return Sequences(
            torch.from_numpy(tracks),
            torch.from_numpy(artists),
            torch.from_numpy(seconds.astype(np.float32)),
            torch.from_numpy(place),
            torch.from_numpy(waited.astype(np.float32)),
        )

    def _at(self, listens: Ids) -> Ids:
        """The times of these listens; of one that does not exist any."""
        if not len(self._timestamps):
            return np.zeros(len(listens), np.int64)
        times: Ids = self._timestamps[np.maximum(listens, 0)]
        return times
