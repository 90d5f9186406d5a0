"""What a .tar.gz holds. Regular files are read; links, devices and pipes are only named."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, Self, cast

TAR_BUFFER = 1 << 20
MOST_MEMBERS = 100_000
MOST_HEADER_BYTES = 1 << 20  # of a long name or of the attributes of one entry; tarfile reads them into memory
_SPARSE_GOES_ON = 482  # the byte of a header that says whether more pieces of a sparse file follow

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
_OF_THE_NEXT_ENTRY = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@dataclass(frozen=True)
class Member:
    """An entry of an archive other than a folder. `content` is None for all but regular files, `kind` says what they are."""

    name: str
    kind: str
    content: IO[bytes] | None


class _BoundedHeader(tarfile.TarInfo):
    """A header that cannot make tarfile read gigabytes into memory, as one packed into a few kilobytes could."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        too_long = header.type in _OF_THE_NEXT_ENTRY and header.size > MOST_HEADER_BYTES
        if too_long or (header.type == tarfile.GNUTYPE_SPARSE and buf[_SPARSE_GOES_ON]):
            raise tarfile.ReadError("a header is too long")
        return header


def members(file: BinaryIO) -> Iterator[Member]:
    """The entries of a .tar.gz in their order; the content of each is to be read before the next is taken.

    Nothing is unpacked to the disk, so names may be anything. All bytes have been read at the end: tarfile alone takes
    a damaged header for the end of the archive, and only gzip's checksum shows it.

    Raises:
        one of DAMAGE: the archive is truncated or damaged, or has over MOST_MEMBERS entries.
    """
    unzipped = gzip.GzipFile(fileobj=file)
    stream = cast(BinaryIO, unzipped)  # has the methods, lacks the base class
    try:
        # backslashreplace: names that are not UTF-8 are shown in messages
        with tarfile.open(
            fileobj=stream,
            mode="r|",
            bufsize=TAR_BUFFER,
            encoding="utf-8",
            errors="backslashreplace",
            tarinfo=_BoundedHeader,
        ) as tar:
            for number, entry in enumerate(tar):
                if number == MOST_MEMBERS:
                    raise tarfile.ReadError(f"it has more than {MOST_MEMBERS:,} entries")
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
