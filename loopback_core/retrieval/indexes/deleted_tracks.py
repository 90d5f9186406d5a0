"""The ids of deleted tracks, in a file next to that of the index."""

from pathlib import Path

import numpy as np

from loopback_core.data import Ids
from loopback_core.errors import ArtifactError
from loopback_core.store.atomic import replacing
from loopback_core.store.digests import file_sha256

NO_IDS = np.zeros(0, np.int64)


def save_deleted(deleted: Ids, index: Path) -> None:
    """Write sorted ids next to the file of an index; without any there is no file."""
    path = _path(index)
    if not len(deleted):
        path.unlink(missing_ok=True)
        return
    with replacing(path) as new, new.open("wb") as file:
        np.save(file, deleted)


def load_deleted(index: Path) -> Ids:
    """Read them back.

    Raises:
        ArtifactError: the file is damaged.
    """
    path = _path(index)
    try:
        deleted: Ids = np.load(path, allow_pickle=False) if path.exists() else NO_IDS
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"The deleted tracks in {path} cannot be read ({error}); build the index again.") from None
    return deleted


def digest_of_deleted(index: Path) -> str:
    """Of the file that names them; empty where there is none."""
    path = _path(index)
    return file_sha256(path) if path.exists() else ""


def _path(index: Path) -> Path:
    return index.with_name(f"{index.name}.deleted.npy")
