"""What the scores read of the known users with long histories, computed when a bundle is built.

It costs a request some milliseconds for every thousand listens, and does not change until the user plays something more.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopback_core.bundle.bundle_files import map_arrays
from loopback_core.data import Floats, Ids, Ragged
from loopback_core.ranking.pair_features import Prior
from loopback_core.ranking.scorer import EncodedUsers
from loopback_core.recommenders.bundle import SERVED_TASKS
from loopback_core.towers.decayed_counts import Bag

ENCODINGS = "encodings"


@dataclass(frozen=True)
class KnownEncodings:
    """The encoded users of one task, as arrays that may be mapped: row i is user users[i]."""

    users: Ids  # (n,) ascending
    vectors: Floats  # (n, D) divided by the temperature
    track_ends: Ids  # (n + 1,) where the tracks of each row end, after a 0
    tracks: NDArray[np.int32]  # (total,)
    of_tracks: Floats  # (total, 1) the prior
    artist_ends: Ids  # (n + 1,)
    artists: NDArray[np.int32]  # (total,)
    of_artists: Floats  # (total, 2)
    lifted_ends: Ids  # (n + 1,)
    lifted: NDArray[np.int32]  # (total,) tracks, see `EncodedUsers`

    def of(self, user: int) -> EncodedUsers | None:
        """Of one user; None where they are not encoded."""
        row = int(np.searchsorted(self.users, user))
        if row == len(self.users) or self.users[row] != user:
            return None
        of_tracks, of_artists = (slice(*ends[row : row + 2].tolist()) for ends in (self.track_ends, self.artist_ends))
        tracks = _bag(self.tracks[of_tracks], self.of_tracks[of_tracks])
        artists = _bag(self.artists[of_artists], self.of_artists[of_artists])
        lifted = self.lifted[slice(*self.lifted_ends[row : row + 2].tolist())].astype(np.int64)
        rows = Ragged(np.array([0, len(lifted)]), lifted)
        return EncodedUsers(self.vectors[row : row + 1], Prior(tracks, artists), rows)


def save_encodings(encodings: dict[str, KnownEncodings], folder: Path) -> None:
    """Write those of each task."""
    for task, known in encodings.items():
        (folder / ENCODINGS / task).mkdir(parents=True)
        for field in fields(known):
            np.save(folder / ENCODINGS / task / f"{field.name}.npy", getattr(known, field.name))


def load_encodings(folder: Path) -> dict[str, KnownEncodings]:
    """Task -> its encoded users, mapped into memory; nothing before they are written.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    if not (folder / ENCODINGS).exists():
        return {}
    names = [field.name for field in fields(KnownEncodings)]
    return {task: KnownEncodings(**map_arrays(folder / ENCODINGS / task, names)) for task in SERVED_TASKS}


def _bag(items: NDArray[np.int32], weights: Floats) -> Bag:
    return Bag(items.astype(np.int64), weights, np.zeros(len(items), np.int64))
