"""What a .zip holds. Regular files are read; links are only named, encrypted files refused."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import MOST_MEMBERS, Member

ENCRYPTED = 1  # bit of the flags of an entry
UNIX = 3

ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # of bzip2, and of a place before the beginning of the file
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What Python raises on a zip that is truncated, damaged, or packed by a method that it does not know."""


def zip_members(path: Path, file: BinaryIO) -> Iterator[Member]:
    """The entries of a .zip in the order of its index, like `archive.members`. path: the archive, for sentences.

    Nothing is unpacked to the disk or into memory whole. Every file is checked against its checksum when it is read.

    Raises:
        BadLogError: it is truncated or damaged, has encrypted files, or over MOST_MEMBERS entries.
    """
    with zip_damage_named(path), zipfile.ZipFile(file) as archive:
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]  # a name may be empty
        if len(entries) > MOST_MEMBERS:
            raise BadLogError(f"{path} has more than {MOST_MEMBERS:,} entries: unpack it and give the folder.")
        if locked := [entry.filename for entry in entries if entry.flag_bits & ENCRYPTED]:
            raise BadLogError(
                f"{path} is encrypted ({', '.join(map(printable, locked[:3]))}): unpack it with its password and give the folder."
            )
        for entry in entries:
            if entry.create_system == UNIX and not _is_regular(entry.external_attr >> 16):
                yield Member(printable(entry.filename), "a link or a device", None)
            else:
                with archive.open(entry) as content:
                    named = cast(IO[bytes], _Named(content, path))  # all that is asked of it is to read
                    yield Member(printable(entry.filename), "a file", named)


class _Named:
    """A file of a zip; damage that reading it meets ends in a sentence."""

    def __init__(self, content: IO[bytes], path: Path) -> None:
        self._content, self._path = content, path

    def read(self, size: int = -1) -> bytes:
        with zip_damage_named(self._path):
            return self._content.read(size)


@contextmanager
def zip_damage_named(path: Path) -> Iterator[None]:
    """Turns what zipfile raises on damage into a sentence.

    Raises:
        BadLogError: the archive is damaged, or packed in a way that Python does not know.
    """
    try:
        yield
    except ZIP_DAMAGE as error:
        raise BadLogError(
            f"{path} is truncated or damaged ({error}): fetch it again, or unpack it and give the folder."
        ) from None


def printable(name: str) -> str:
    """The name of a member as UTF-8 text that can stand in a manifest and a log."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_regular(mode: int) -> bool:
    return stat.S_IFMT(mode) in (0, stat.S_IFREG)
