"""The vectors of tracks on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError

VECTORS, CATALOG_VALUES = "track_vectors.npy", "catalog_values.npy"


def save_vectors(vectors: Floats, folder: Path) -> None:
    """Write (n_tracks, D) float32; row i is track i of the catalog."""
    np.save(folder / VECTORS, vectors)


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
