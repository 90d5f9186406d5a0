"""The vectors of tracks on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError

VECTORS, POPULARITY = "track_vectors.npy", "popularity.npy"


def save_vectors(vectors: Floats, folder: Path) -> None:
    """Write (n_tracks, D) float32; row i is track i of the catalog."""
    np.save(folder / VECTORS, vectors)


def save_popularity(popularity: Floats, folder: Path) -> None:
    """Write (n_tracks, 2) float32, the popularity columns of the same tracks."""
    np.save(folder / POPULARITY, popularity)


def load_vectors(folder: Path) -> Floats:
    """Read the vectors back, mapped into memory. Never unpickles.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    return _load(folder, VECTORS)


def load_popularity(folder: Path) -> Floats:
    """Read those back; as :func:`load_vectors`."""
    return _load(folder, POPULARITY)


def _load(folder: Path, name: str) -> Floats:
    try:
        vectors: Floats = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"The vectors in {folder} cannot be read ({error}); build them again.") from None
    return vectors
