"""Training examples: batches of listens, with what must not count as a negative."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loopback_core.data import FitData, Ragged
from loopback_core.settings import TrainingSettings
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import UserInputs
from loopback_core.training.losses import in_batch_infonce


@dataclass(frozen=True)
class Batch:
    """B listens. All ids are int64."""

    user: Tensor  # (B,)
    track: Tensor  # (B,)
    artist: Tensor  # (B,)
    false_negative: Tensor | None  # (B, B) bool: the track of row j is no negative of row i

    @property
    def events(self) -> int:
        """Listens of the whole step, which are those of the batch."""
        return len(self)

    def __len__(self) -> int:
        return len(self.user)

    def loss(self, model: TwoTower) -> Tensor:
        """Symmetric InfoNCE, a scalar."""
        users, tracks = model(UserInputs(self.user), TrackInputs(self.track, self.artist))
        return in_batch_infonce(users, tracks, model.inverse_temperature(), self.false_negative)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        mask = self.false_negative
        return Batch(
            self.user.to(device, non_blocking=True),
            self.track.to(device, non_blocking=True),
            self.artist.to(device, non_blocking=True),
            None if mask is None else mask.to(device, non_blocking=True),
        )


class Examples:
    """All listens of the fit data, served in seeded batches."""

    def __init__(self, data: FitData, settings: TrainingSettings) -> None:
        self.events, self.settings = data.events, settings
        self.artist = data.catalog.artist
        self._column = np.full(data.catalog.n_tracks, -1, np.int64)  # scratch: where a track stands in the batch
        self._known: Ragged | None = None
        if settings.mask_known_positives:
            n_tracks = data.catalog.n_tracks
            pairs = np.sort(self.events.user.astype(np.int64) * n_tracks + self.events.track)
            pairs = pairs[np.diff(pairs, prepend=-1) > 0]
            self._known = Ragged.from_pairs(pairs // n_tracks, pairs % n_tracks, data.catalog.n_users)

    def __len__(self) -> int:
        return len(self.events)

    def refresh(self, model: TwoTower) -> None:
        """Nothing here depends on the weights."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Every listen once, in an order that depends on (seed, epoch) alone, so that a resumed run sees the same."""
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(self.events))
        # A last row alone would have no negatives: it joins the batch before.
        starts = range(0, max(len(order) - 1, 1), self.settings.batch_size)
        for rows in np.split(order, starts[1:]):
            yield self.batch(rows)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """The batch made of these rows of the events."""
        user = self.events.user[rows].astype(np.int64)
        track = self.events.track[rows].astype(np.int64)
        artist = self.artist[track].astype(np.int64)
        mask = self.false_negatives(user, track)
        return Batch(
            torch.from_numpy(user),
            torch.from_numpy(track),
            torch.from_numpy(artist),
            None if mask is None else torch.from_numpy(mask),
        )

    def false_negatives(self, user: NDArray[np.int64], track: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """(B, B) bool, or None when nothing is masked; the diagonal, the positives, is never set.

        [i, j] is set when row j holds the track of row i (same track), or is of the same user, or holds another track
        that the user of row i plays in train. It serves both directions: in the same cases the user of row i is
        no negative of the track of row j.
        """
        settings = self.settings
        if not (settings.mask_same_track or settings.in_batch.mask_same_user or settings.mask_known_positives):
            return None
        if self._known is not None:  # what the user plays holds the other two cases: both rows are listens of train
            mask = self._played(user, track, self._known)
        else:
            mask = np.zeros((len(user), len(user)), bool)
            if settings.mask_same_track:
                mask |= track[:, None] == track
            if settings.in_batch.mask_same_user:
                mask |= user[:, None] == user
        np.fill_diagonal(mask, False)
        return mask

    def _played(self, user: NDArray[np.int64], track: NDArray[np.int64], known: Ragged) -> NDArray[np.bool_]:
        """[i, j]: does the user of row i play the track of row j in train?

        Filled for the distinct users and tracks of the batch from the users' own lists, whose total length is far
        below B × B, then spread to the rows.
        """
        users, row = np.unique(user, return_inverse=True)
        tracks, column = np.unique(track, return_inverse=True)
        self._column[tracks] = np.arange(len(tracks))
        lists = known.take(users)
        place = self._column[lists.values]
        self._column[tracks] = -1
        in_batch = place >= 0
        played = np.zeros((len(users), len(tracks)), bool)
        played[lists.row_numbers()[in_batch], place[in_batch]] = True
        spread: NDArray[np.bool_] = played.take(column, axis=1).take(row, axis=0)
        return spread
