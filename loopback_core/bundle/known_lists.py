"""The lists of the known users with long histories, ranked when a bundle is built.

A list costs a request some milliseconds for every thousand listens, and does not change until the user plays something more.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopback_core.bundle.bundle_files import map_arrays
from loopback_core.data import NOTHING, Floats, Ids, Ranking
from loopback_core.recommenders.bundle import SERVED_TASKS

LISTS = "lists"


@dataclass(frozen=True)
class KnownLists:
    """The best tracks of some users for one task, as arrays that may be mapped: row i is user users[i]."""

    users: Ids  # (n,) ascending
    tracks: NDArray[np.int32]  # (n, K) as of `Ranking`
    scores: Floats  # (n, K)

    def of(self, user: int, n_tracks: int) -> Ranking | None:
        """Of one user, (1, K); None where there is none, or one with numbers that are no track of the n_tracks."""
        row = int(np.searchsorted(self.users, user))
        if row == len(self.users) or self.users[row] != user:
            return None
        ranking = Ranking(self.tracks[row : row + 1].astype(np.int64), np.array(self.scores[row : row + 1]))
        given = ranking.tracks != NOTHING
        tracks, scores = ranking.tracks[given], ranking.scores[given]
        is_whole = tracks.min(initial=0) >= 0 and tracks.max(initial=0) < n_tracks and np.isfinite(scores).all()
        return ranking if is_whole else None


def save_lists(lists: dict[str, KnownLists], folder: Path) -> None:
    """Write those of each task."""
    for task, known in lists.items():
        (folder / LISTS / task).mkdir(parents=True)
        for field in fields(known):
            np.save(folder / LISTS / task / f"{field.name}.npy", getattr(known, field.name))


def load_lists(folder: Path) -> dict[str, KnownLists]:
    """Task -> its lists, mapped into memory; nothing before they are written.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    if not (folder / LISTS).exists():
        return {}
    names = [field.name for field in fields(KnownLists)]
    return {task: KnownLists(**map_arrays(folder / LISTS / task, names)) for task in SERVED_TASKS}
