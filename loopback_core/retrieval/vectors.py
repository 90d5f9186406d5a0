"""The vectors of tracks on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError

VECTORS, CATALOG_VALUES = "track_vectors.npy", "catalog_values.npy"


class VectorRows(Protocol):
    """(n, D) float32 that is read by rows: an array, or what makes its rows when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, D)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """(rows, D) of a slice or of ids."""
        ...


def save_vectors(vectors: Floats, folder: Path) -> None:
    """Write (n_tracks, D) float32; row i is track i of the catalog."""
    np.save(folder / VECTORS, vectors)


def join_vectors(parts: Sequence[Path], folder: Path) -> None:
    """Write what :func:`save_vectors` would write of all rows of files of :func:`numpy.save`, one part in memory at a time."""
    arrays = [np.load(part, mmap_mode="r", allow_pickle=False) for part in parts]
    shape = (sum(map(len, arrays)), arrays[0].shape[1])
    with (folder / VECTORS).open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)


def save_catalog_values(values: Floats, folder: Path) -> None:
    """Write (n_tracks, catalog terms) float32, the catalog terms of the same tracks."""
    np.save(folder / CATALOG_VALUES, values)


def load_vectors(folder: Path) -> Floats:
    """Read the vectors back, mapped into memory. Never unpickles.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    return _load(folder, VECTORS)


def load_catalog_values(folder: Path) -> Floats:
    """Read those back; as :func:`load_vectors`."""
    return _load(folder, CATALOG_VALUES)


def _load(folder: Path, name: str) -> Floats:
    try:
        vectors: Floats = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"The vectors in {folder} cannot be read ({error}); build them again.") from None
    return vectors
