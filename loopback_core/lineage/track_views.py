"""The vectors of a catalog as several views of each track, and scores that are made of the products with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids
from loopback_core.retrieval.products import products_with
from loopback_core.store.atomic import replacing

Merge = Literal["max", "sum"]
"""How the best products of a user's vectors become one score. max: several interests. sum: late interaction (MaxSim)."""


class TrackView(Protocol):
    """What a search keeps of every track."""

    @property
    def n_bytes(self) -> int:
        """Of what it keeps."""
        ...

    def products(self, users: Floats, tracks: Ids) -> Floats:
        """(U, n) the products of the vectors of a user, (U, D), with some tracks, (n,).

        That with a track is the same to the last digit whatever other tracks are asked for.
        """
        ...

    def save(self, folder: Path, number: int) -> None:
        """Write it as the view of this number."""
        ...


@dataclass(frozen=True)
class View:
    """One vector for each track; tracks may share it, as those of an artist do, and then it is kept once."""

    vectors: Floats  # (m, D)
    row: NDArray[np.int32] | None = None  # (n_tracks,) the vector of each track; None: its own

    def rows_of(self, tracks: Ids) -> Ids:
        """The vectors of these tracks, (n,)."""
        return tracks if self.row is None else self.row[tracks].astype(np.int64)

    @property
    def n_bytes(self) -> int:
        """Of the vectors, and of what says which track has which."""
        return self.vectors.nbytes + (0 if self.row is None else self.row.nbytes)

    def products(self, users: Floats, tracks: Ids) -> Floats:
        """See :class:`TrackView`."""
        rows = self.rows_of(tracks)
        if self.row is None or len(rows) <= len(self.vectors):
            return np.stack([products_with(self.vectors, rows, user) for user in users])
        every = np.arange(len(self.vectors))
        return np.stack([products_with(self.vectors, every, user)[rows] for user in users])  # each vector once

    def save(self, folder: Path, number: int) -> None:
        """See :class:`TrackView`."""
        write_array(folder / _vectors(number), self.vectors)
        write_row_of_track(self.row, folder, number)

    @classmethod
    def load(cls, folder: Path, number: int, *, is_shared: bool) -> Self:
        """Map what :meth:`save` wrote."""
        vectors = np.load(folder / _vectors(number), mmap_mode="r", allow_pickle=False)
        return cls(vectors, read_row_of_track(folder, number) if is_shared else None)


def scores_of(users: Floats, views: Sequence[TrackView], tracks: Ids, merge: Merge) -> Floats:
    """(n,) the scores of some tracks for one user: over its vectors u the `merge` of max over the views v of u · v(t).

    users: (U, D). tracks: (n,). The score of a track is the same to the last digit whatever other tracks are asked for.
    """
    best: Floats | None = None
    for view in views:
        products = view.products(users, tracks)
        best = products if best is None else np.maximum(best, products, out=best)
    assert best is not None
    merged: Floats = best.max(axis=0) if merge == "max" else best.sum(axis=0)
    return merged


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write it in place of what is there, which may be mapped, by this array too."""
    with replacing(path) as new, new.open("wb") as file:
        np.save(file, array)


def write_row_of_track(row: NDArray[np.int32] | None, folder: Path, view: int) -> None:
    """Write the vector of each track, where tracks share them."""
    if row is not None:
        write_array(folder / _rows(view), row)


def read_row_of_track(folder: Path, view: int) -> Any:
    """Map what :func:`write_row_of_track` wrote."""
    return np.load(folder / _rows(view), mmap_mode="r", allow_pickle=False)


def _vectors(view: int) -> str:
    return f"view_{view}.npy"


def _rows(view: int) -> str:
    return f"view_{view}_of_track.npy"
