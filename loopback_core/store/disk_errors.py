"""Errors of the file system as sentences, where the store writes."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopback_core.errors import ArtifactError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # the disk, or the quota of the user, is full
LEAST_FREE_BYTES = 1 << 16  # what failed to be written leaves no more than this


@contextmanager
def writing(home: Path, what: str) -> Iterator[None]:
    """Around what the store itself writes: an error of the file system becomes a sentence. what: the asset or file."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise disk_full(home, what) from error
        raise ArtifactError(
            f"{home} cannot be written to ({error.strerror}: {error.filename}): make it writable, or point "
            "LOOPBACK_HOME at another folder, and run the same command again."
        ) from error


def disk_full(home: Path, what: str) -> ArtifactError:
    """The sentence about a full disk."""
    return ArtifactError(
        f"The disk of {home} is full: {what} was not written, what was there before is unchanged. Free some space, or "
        "point LOOPBACK_HOME at a larger disk, and run the same command again."
    )


def remove(path: Path) -> None:
    """Remove a folder with its content, or a file; a missing path is ignored."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_disk_full(error: Exception, folder: Path) -> bool:
    """Whether that is why writing failed. polars, torch and faiss raise errors of their own, without the errno."""
    if getattr(error, "errno", None) in NO_SPACE or "No space left on device" in str(error):
        return True
    return folder.exists() and shutil.disk_usage(folder).free < LEAST_FREE_BYTES
