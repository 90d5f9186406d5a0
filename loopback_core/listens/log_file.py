"""A file of a log, opened once and digested while it is read."""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopback_core.errors import BadLogError

BUFFER_BYTES = 1 << 20


class LogFile(io.RawIOBase):
    """The bytes of a regular file in their order, digested as they are read. A pipe or a device is refused.

    Raises:
        BadLogError: the file is missing, not a regular file, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # without O_NONBLOCK the opening of a pipe waits until something writes to it
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            if path.is_symlink():
                raise BadLogError(f"{path} is a link that leads nowhere: correct the link, or remove it.") from None
            raise BadLogError(f"There is no file {path}: correct the path.") from None
        except (OSError, ValueError) as error:
            raise BadLogError(f"{path} cannot be read ({reason(error)}): make it readable and run again.") from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BadLogError(f"{path} is not a regular file: give the path of a file or of a folder of files.")
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._stamp = stamp(status)
        self._sha256 = hashlib.sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "memoryview[int]", /) -> int:  # type: ignore[override]
        """Fill `buffer` with the next bytes; returns how many they are."""
        try:
            count = self._file.readinto(buffer) or 0
        except OSError as error:
            raise BadLogError(
                f"{self.path} cannot be read ({reason(error)}): make it readable and run again."
            ) from None
        self._sha256.update(memoryview(buffer)[:count])
        return count

    def tell(self) -> int:
        """Bytes read so far."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def sha256(self) -> str:
        """SHA-256 of the whole file in hex; reads what was not read yet."""
        buffer = bytearray(BUFFER_BYTES)
        while self.readinto(memoryview(buffer)):
            pass
        return self._sha256.hexdigest()

    def refuse_changed(self) -> None:
        """Raise when something wrote to the file, or replaced it, since it was opened.

        Raises:
            BadLogError: its size, times or inode have changed.
        """
        try:
            unchanged = stamp(self.path.stat()) == self._stamp
        except OSError:
            unchanged = False
        if not unchanged:
            raise BadLogError(f"{self.path} changed while it was read; run again when nothing writes to it any more.")


@contextmanager
def open_log(path: Path, sha256: str | None = None) -> "Iterator[io.BufferedReader[LogFile]]":
    """A file of a log, to be read from its beginning. All of it has been read at the end, and has the digest `sha256`.

    A wrong digest is reported before any other error in the content. None: any digest is accepted.

    Raises:
        BadLogError: the file cannot be read, or was changed after `raw_listens` was materialized.
    """
    with LogFile(path) as raw:

        def refuse_others() -> None:
            if sha256 is not None and raw.sha256() != sha256:
                raise changed(path)

        with io.BufferedReader(raw, BUFFER_BYTES) as file:
            try:
                yield file
            except Exception:
                refuse_others()
                raise
            refuse_others()


def changed(path: Path) -> BadLogError:
    """What to raise when a file has other bytes than were published."""
    return BadLogError(f"{path} was changed after raw_listens was materialized: materialize it again.")


def refuse_other_digest(path: Path, sha256: str) -> None:
    """Raise unless the bytes of a file have that digest.

    Raises:
        BadLogError: they have another, or cannot be read.
    """
    if file_digest(path) != sha256:
        raise changed(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises:
        BadLogError: it cannot be read, or changes while it is read.
    """
    with LogFile(path) as raw:
        digest = raw.sha256()
        raw.refuse_changed()
    return digest


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written to or replaced: size, times of content and inode, the inode, the device."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def reason(error: Exception) -> str:
    """Why the system refused a file."""
    return getattr(error, "strerror", None) or str(error)
