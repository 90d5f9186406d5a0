"""A file of a log as streams of bytes, whatever it is packed in: told by its content, not by its name."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Literal, cast

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import DAMAGE, Member, members
from loopback_core.listens.log_file import LogFile
from loopback_core.listens.zip_archive import zip_members

Container = Literal["plain", "gzip", "tar.gz", "zip", "parquet"]

ARCHIVES: tuple[Container, ...] = ("tar.gz", "zip")
"""Containers of several streams."""

GZIP, ZIP, PARQUET = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06"), b"PAR1"
TAR_MARK, TAR_MARK_AT = b"ustar", 257
WORKBOOK = (b"[Content_Types].xml", b"_rels/", b"xl/", b"docProps/")  # an .xlsx is a zip, but no archive of listens

PACKED_SUFFIXES = {".tar.gz": "tar.gz", ".tgz": "tar.gz", ".gz": "gzip", ".zip": "zip", ".parquet": "parquet"}

DATABASE_MARKS = {"sqlite": (0, b"SQLite format 3\0"), "duckdb": (8, b"DUCK")}
"""Scheme of the address of a database that is one file -> where its mark stands, and the mark."""

OTHER_PACKERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}


def container_of(path: Path, start: bytes) -> Container:
    """What a file is packed in. start: its first bytes, 512 or more when it has them.

    A name that promises a container decides where the content does not: the file is damaged then.
    """
    name = path.name.lower()
    if start.startswith(ZIP):
        return "plain" if name.endswith(".xlsx") or _name_of_first(start).startswith(WORKBOOK) else "zip"
    if start.startswith(PARQUET):
        return "parquet"
    if start.startswith(GZIP):
        return "tar.gz" if name.endswith((".tar.gz", ".tgz")) or _is_tar(start) else "gzip"
    promised = next((kind for suffix, kind in PACKED_SUFFIXES.items() if name.endswith(suffix)), "plain")
    return cast(Container, promised)


def _name_of_first(start: bytes) -> bytes:
    """The name of the first entry of a zip."""
    return start[30 : 30 + int.from_bytes(start[26:28], "little")]


def _is_tar(start: bytes) -> bool:
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 512)[TAR_MARK_AT:].startswith(TAR_MARK)
    except zlib.error:
        return False


def other_packer(start: bytes) -> str | None:
    """The program that packed a file in a way that is not read here; None: no such is known."""
    if start.startswith(TAR_MARK, TAR_MARK_AT):
        return "tar alone"
    return next((packer for mark, packer in OTHER_PACKERS.items() if start.startswith(mark)), None)


def is_packed(start: bytes) -> bool:
    """Whether what was packed is packed itself, which is not read."""
    return start.startswith((*ZIP, GZIP)) or other_packer(start) is not None


def database_of(start: bytes) -> str | None:
    """The scheme of the address of a database that lies in one file; None: it is no database that is known."""
    return next((scheme for scheme, (at, mark) in DATABASE_MARKS.items() if start.startswith(mark, at)), None)


def streams(path: Path, file: "BufferedReader[LogFile]", container: Container) -> Iterator[Member]:
    """The streams of a file in their order: one, or the entries of an archive; each is to be read before the next.

    Raises:
        BadLogError: a zip is damaged or encrypted.
        one of DAMAGE: gzip or tar are damaged; see :func:`damage_named`.
    """
    if container == "zip":
        with path.open("rb") as seekable:  # the index lies at the end; `file` digests all bytes in their order
            yield from zip_members(path, seekable)
        file.raw.refuse_changed()
    elif container == "tar.gz":
        yield from members(file)
    elif container == "gzip":
        unzipped = cast(IO[bytes], gzip.GzipFile(fileobj=file))  # has the methods, lacks the base class
        yield Member(path.name[: -len(".gz")] if path.name.lower().endswith(".gz") else path.name, "a file", unzipped)
    else:
        yield Member(path.name, "a file", file)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turns what Python raises on a damaged gzip or tar into a sentence.

    Raises:
        BadLogError: the file is truncated or damaged.
    """
    try:
        yield
    except DAMAGE as error:
        raise BadLogError(
            f"{path} is truncated or damaged ({error}): fetch it again, or repack it and check it with 'gzip --test'."
        ) from None
