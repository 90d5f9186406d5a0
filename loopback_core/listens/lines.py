"""Text files as numbered lines: plain, gzipped or in a tar archive, read in blocks."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from loopback_core.errors import BadLogError
from loopback_core.listens.schema import TEXT_LENGTH

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 26  # bytes; a file without line ends would otherwise be read into memory whole
TAR_BUFFER = 1 << 20

Advance = Callable[[int], object]
"""Called with the number of bytes of the file on disk that were read since the last call."""

PickMembers = Callable[[list[str]], list[str]]
"""Picks from the names of an archive's .tsv files those to read."""


def read_lines(path: Path, pick: PickMembers, block_bytes: int, advance: Advance) -> Iterator[pl.DataFrame]:
    r"""The lines of a .tsv, .tsv.gz or .tar.gz in frames of about `block_bytes`: line (from 1), text, undecodable.

    A line ends at "\n" or "\r\n" and nowhere else: names may hold every other separator that Unicode knows. The last
    line may lack its end. One blank line at the end of a file is none. The members of an archive count as one text.

    Raises:
        BadLogError: the file is missing, truncated, damaged, or an archive without such a member.
    """
    first, told = 1, 0
    try:
        members = _pick_members(path, pick) if path.name.endswith(".tar.gz") else []
        with path.open("rb") as file:
            for stream in _streams(path, file, members):
                for lines in _split(stream, path, block_bytes):
                    yield _decoded(lines, first)
                    first += len(lines)
                    advance(file.tell() - told)
                    told = file.tell()
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise BadLogError(
            f"{path} is truncated or damaged ({error}): fetch it again, or repack it and check it with 'gzip --test'."
        ) from None
    except FileNotFoundError:
        raise BadLogError(f"There is no file {path}: correct the path.") from None
    except OSError as error:
        raise BadLogError(f"{path} cannot be read: {error.strerror or error}.") from None


def _pick_members(path: Path, pick: PickMembers) -> list[str]:
    with path.open("rb") as file, _open_tar(file) as tar:
        names = [member.name for member in tar if member.isfile()]
    # "._name" is what macOS's tar keeps of a file's attributes
    members = pick([name for name in names if name.endswith(".tsv") and not Path(name).name.startswith(".")])
    if not members:
        raise BadLogError(
            f"The archive {path} holds no such .tsv file: it has {', '.join(names[:10]) or 'no files'}. Pack a TSV in "
            "the Last.fm-1K layout, or set LOOPBACK_SOURCE to the file itself."
        )
    return members


def _open_tar(file: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=gzip.GzipFile(fileobj=file), mode="r|", bufsize=TAR_BUFFER)


def _streams(path: Path, file: BinaryIO, members: list[str]) -> Iterator[BinaryIO]:
    if path.name.endswith(".tar.gz"):
        with _open_tar(file) as tar:
            for member in tar:
                if member.name in members and (stream := tar.extractfile(member)) is not None:
                    yield stream  # type: ignore[misc]  # typeshed: IO[bytes]
    elif path.name.endswith(".gz"):
        yield gzip.GzipFile(fileobj=file)  # type: ignore[misc]  # has the methods, lacks the base class
    else:
        yield file


def _split(stream: BinaryIO, path: Path, block_bytes: int) -> Iterator[pl.Series]:
    """The lines as binary series, their ends included."""
    rest = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while block := stream.read(block_bytes):
        rest += block
        end = rest.rfind(b"\n", 0, len(rest) - 1) + 1  # the last line waits: it may go on, or be the blank at the end
        if end:
            yield _cut(rest, end)
            rest = rest[end:]
        if len(rest) > LONGEST_LINE:
            raise BadLogError(f"{path} has a line of over {LONGEST_LINE >> 20} MiB: it is no listening log.")
    if rest.strip(b"\r\n"):
        yield _cut(rest, len(rest))


def _cut(data: bytes, end: int) -> pl.Series:
    offsets = np.flatnonzero(np.frombuffer(data, np.uint8, count=end) == ord("\n")) + 1
    if not len(offsets) or offsets[-1] < end:
        offsets = np.append(offsets, end)
    offsets = np.concatenate([[0], offsets]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pl.Series(pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers))


def _decoded(lines: pl.Series, first: int) -> pl.DataFrame:
    text, undecodable = decode(lines)
    number = pl.Series(np.arange(first, first + len(lines), dtype=np.uint32))
    return pl.DataFrame({"line": number, "text": text.str.strip_chars_end("\r\n"), "undecodable": undecodable})


def decode(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Binary values as text, and a mask of those that are no UTF-8: these come cut, with U+FFFD for what is wrong."""
    try:
        return values.cast(pl.String), pl.Series([False]).new_from_index(0, len(values))
    except pl.exceptions.ComputeError:  # polars 2.1 raises also when it is asked for nulls (strict=False)
        decoded = [_decode_one(value) for value in values]
    text = pl.Series([text for text, _ in decoded], dtype=pl.String)
    return text, pl.Series([undecodable for _, undecodable in decoded], dtype=pl.Boolean)


def _decode_one(value: bytes | None) -> tuple[str | None, bool]:
    if value is None:
        return None, False
    try:
        return value.decode(), False
    except UnicodeDecodeError:
        return value[: 4 * TEXT_LENGTH].decode("utf-8", "replace")[:TEXT_LENGTH], True  # four bytes at most make one
