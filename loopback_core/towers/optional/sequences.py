"""The last listens before each request, in order: what the sequence encoders read."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loopback_core.data import Histories, Ids
from loopback_core.towers.decayed_counts import Moments, artist_of_listens
from loopback_core.towers.inputs import Inputs

HOURS, GAPS = 24, 24
"""Hours of the day (UTC), and steps of the time since the listen before: step g is 2 ** g seconds and more."""

NO_LISTEN = -1


@dataclass(frozen=True)
class Sequences(Inputs):
    """C stretches of L = 2 W listens, oldest first, from which A requests are read.

    Stretches of one history overlap by half, so that each listen has W - 1 others before it in the stretch in whose
    later half it lies: one pass over a stretch answers every request there.
    """

    tracks: Tensor  # (C, L) int64, NO_LISTEN where there is no listen
    artists: Tensor  # (C, L) int64, likewise
    gap: Tensor  # (C, L) int64 below GAPS
    hour: Tensor  # (C, L) int64 below HOURS
    last: Tensor  # (A,) int64: place of the last listen that each request has heard, in the flattened stretches


class SequenceReader:
    """Cuts stretches out of some histories."""

    def __init__(self, histories: Histories, artist: NDArray[np.int32], window: int) -> None:
        """artist: (tracks,) the artist of every catalog track. window: W, the listens that an encoder looks back."""
        self._offsets, self._timestamps = histories.tracks.offsets, histories.timestamps
        self._tracks, self._artists = histories.tracks.values, artist_of_listens(histories, artist)
        self.window = window

    def read(self, moments: Moments) -> Sequences:
        """The stretches that hold what each request heard last."""
        window, begins = self.window, self._offsets[moments.row]
        last = moments.place - 1 - begins  # -1 where nothing was heard: a stretch without listens
        key = moments.row * (len(self._tracks) + 2) + last // window + 1
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        start = begins[first] + (last[first] // window - 1) * window
        listen = start[:, None] + np.arange(2 * window)
        row = moments.row[first]
        is_listen = (listen >= self._offsets[row][:, None]) & (listen < self._offsets[row + 1][:, None])
        listen = np.where(is_listen, listen, 0)
        if not len(self._tracks):
            nothing = torch.from_numpy(listen)
            return Sequences(
                nothing + NO_LISTEN, nothing + NO_LISTEN, nothing, nothing, torch.from_numpy(number * 2 * window)
            )
        seconds = np.maximum(self._timestamps[listen] - self._timestamps[np.maximum(listen - 1, 0)], 1)
        gap = np.where(listen > self._offsets[row][:, None], np.log2(seconds), GAPS).astype(np.int64)
        place = number * 2 * window + last - (last // window - 1) * window
        stretches: tuple[Ids, ...] = (
            np.where(is_listen, self._tracks[listen], NO_LISTEN),
            np.where(is_listen, self._artists[listen], NO_LISTEN),
            np.minimum(gap, GAPS - 1),
            self._timestamps[listen] // 3600 % HOURS,
        )
        return Sequences(*map(torch.from_numpy, (*stretches, place)))
