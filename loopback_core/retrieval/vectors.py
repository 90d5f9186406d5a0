"""Vectors and index on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError
from loopback_core.settings import IndexSettings

if TYPE_CHECKING:
    from loopback_core.retrieval.index import FaissIndex

VECTORS, POPULARITY = "track_vectors.npy", "popularity.npy"
INDEX, INDEX_SETTINGS = "tracks.faiss", "index.json"


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


def save_index(index: FaissIndex, folder: Path) -> None:
    """Write the index and the settings that it is searched with."""
    index.save(folder / INDEX)
    (folder / INDEX_SETTINGS).write_text(index.settings.model_dump_json(indent=1) + "\n", "utf-8")


def load_index(folder: Path) -> FaissIndex:
    """Read both back.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    from loopback_core.retrieval.index import FaissIndex

    try:
        settings = IndexSettings.model_validate_json((folder / INDEX_SETTINGS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"The settings of the index in {folder} cannot be read ({error}); build it again."
        ) from None
    return FaissIndex.load(folder / INDEX, settings)
