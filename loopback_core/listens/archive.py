"""What a .tar.gz holds. Regular files are read; links, devices and pipes are only named."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

TAR_BUFFER = 1 << 20

DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError)
"""What Python raises on a gzip or tar file that is truncated or damaged."""

_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


@dataclass(frozen=True)
class Member:
    """An entry of an archive other than a folder. `content` is None for all but regular files, `kind` says what they are."""

    name: str
    kind: str
    content: IO[bytes] | None


def members(file: BinaryIO) -> Iterator[Member]:
    """The entries of a .tar.gz in their order; the content of each is to be read before the next is taken.

    Nothing is unpacked to the disk, so names may be anything. All bytes have been read at the end: tarfile alone takes
    a damaged header for the end of the archive, and only gzip's checksum shows it.

    Raises:
        one of DAMAGE: the archive is truncated or damaged.
    """
    unzipped = gzip.GzipFile(fileobj=file)
    stream = cast(BinaryIO, unzipped)  # has the methods, lacks the base class
    try:
        # backslashreplace: names that are not UTF-8 are shown in messages
        with tarfile.open(
            fileobj=stream, mode="r|", bufsize=TAR_BUFFER, encoding="utf-8", errors="backslashreplace"
        ) as tar:
            for entry in tar:
                if entry.isreg() and not entry.issparse():  # a sparse file may claim any number of bytes
                    yield Member(entry.name, "a file", tar.extractfile(entry))
                elif not entry.isdir():
                    kind = "a sparse file" if entry.issparse() else "of an unknown kind"
                    yield Member(entry.name, _KINDS.get(entry.type, kind), None)
    except (ValueError, OverflowError, RecursionError) as error:  # tarfile lets some of its header's errors through
        raise tarfile.ReadError(str(error)) from None
    while unzipped.read(TAR_BUFFER):
        pass


def listing(held: list[Member]) -> str:
    """The first ten entries with what they are, for a message."""
    shown = [member.name + f" ({member.kind})" * (member.content is None) for member in held[:10]]
    return ", ".join(shown) or "no files"
