"""Text files as numbered lines: plain, gzipped or in a tar archive, read in blocks."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import DAMAGE, listing, members
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_rules import BYTE_ORDER_MARK, MOST_LINES, TEXT_LENGTH

LONGEST_LINE = 1 << 26  # bytes; a file without line ends would otherwise be read into memory whole
SHORTEST_LINE = 64  # bytes; the bound on a frame counts shorter lines as this long: each costs some 500 bytes of memory

Advance = Callable[[int], object]
"""Called with the number of bytes of the file on disk that were read since the last call."""

PickMembers = Callable[[list[str]], list[str]]
"""Picks from the names of an archive's .tsv files those to read."""


def read_lines(
    path: Path, pick: PickMembers, block_bytes: int, advance: Advance, sha256: str | None = None
) -> Iterator[pl.DataFrame]:
    r"""Lines of a .tsv, .tsv.gz or .tar.gz in frames of at most about `block_bytes`: line (from 1), text, undecodable.

    A line ends at "\n" or "\r\n" and nowhere else: names may hold every other separator that Unicode knows. The last
    line may lack its end. One blank line at the end of a file is not a line. The members of an archive count as one
    text. sha256: the digest that the bytes of the file must have; None: any.

    Raises:
        BadLogError: the file is missing, truncated, damaged, changed, or an archive without such a member.
    """
    first, advanced = 1, 0
    names = _pick_members(path, pick, sha256) if path.name.endswith(".tar.gz") else []
    with open_log(path, sha256) as file, _damage_named(path):
        for stream in _streams(path, file, names):
            for lines in read_lines_of(stream, path, block_bytes, first):
                yield lines
                first += lines.height
                advance(file.tell() - advanced)
                advanced = file.tell()


def read_lines_of(stream: IO[bytes], path: Path, block_bytes: int, first: int) -> Iterator[pl.DataFrame]:
    """The lines of one stream, like :func:`read_lines`, counted from `first`. path: the file, for sentences.

    Raises:
        BadLogError: there are too many lines, or one that is too long.
    """
    for lines in _split(stream, path, block_bytes):
        if first + len(lines) > MOST_LINES:
            raise BadLogError(f"{path} has more than {MOST_LINES:,} lines: split it into several files.")
        yield _decoded(lines, first)
        first += len(lines)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise BadLogError(
            f"{path} is truncated or damaged ({error}): fetch it again, or repack it and check it with 'gzip --test'."
        ) from None


def _pick_members(path: Path, pick: PickMembers, sha256: str | None) -> list[str]:
    with open_log(path, sha256) as file, _damage_named(path):
        entries = list(members(file))
    # "._name" is what macOS's tar keeps of a file's attributes
    texts = [member.name for member in entries if member.content and member.name.endswith(".tsv")]
    names = pick([name for name in texts if not Path(name).name.startswith(".")])
    if not names:
        raise BadLogError(
            f"The archive {path} holds no such .tsv file: it has {listing(entries)}. Pack a TSV in the Last.fm-1K layout, "
            "or set LOOPBACK_SOURCE to the file itself."
        )
    return names


def _streams(path: Path, file: BinaryIO, names: list[str]) -> Iterator[IO[bytes]]:
    if path.name.endswith(".tar.gz"):
        for member in members(file):
            if member.name in names and member.content is not None:
                yield member.content
    elif path.name.endswith(".gz"):
        yield cast(IO[bytes], gzip.GzipFile(fileobj=file))  # has the methods, lacks the base class
    else:
        yield file


def _split(stream: IO[bytes], path: Path, block_bytes: int) -> Iterator[pl.Series]:
    """The lines as binary series, their ends included."""
    most = max(block_bytes // SHORTEST_LINE, 1)
    rest = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while block := stream.read(block_bytes):
        rest += block
        # The last line is held back: it may be incomplete, or the blank one at the end.
        end = rest.rfind(b"\n", 0, len(rest) - 1) + 1
        for start, stop in _ranges(rest, 0, end, most):
            yield _cut(rest, start, stop)
        rest = rest[end:]
        if len(rest) > LONGEST_LINE:
            raise BadLogError(f"{path} has a line of over {LONGEST_LINE >> 20} MiB: it is not a listening log.")
    if rest.strip(b"\r\n"):
        yield _cut(rest, 0, len(rest))


def _ranges(data: bytes, start: int, stop: int, most: int) -> Iterator[tuple[int, int]]:
    """`data[start:stop]`, whole lines, in ranges of at most `most` of them: halved until they are as few."""
    if data.count(b"\n", start, stop) > most:
        middle = (start + stop) // 2
        middle = data.rfind(b"\n", start, middle) + 1 or data.find(b"\n", middle) + 1
        yield from _ranges(data, start, middle, most)
        yield from _ranges(data, middle, stop, most)
    elif start < stop:
        yield start, stop


def _cut(data: bytes, start: int, stop: int) -> pl.Series:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8, stop - start, start) == ord("\n")) + (start + 1)
    if not len(ends) or ends[-1] < stop:
        ends = np.append(ends, stop)
    offsets = np.concatenate([[start], ends]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pl.Series(pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers))


def _decoded(lines: pl.Series, first: int) -> pl.DataFrame:
    text, undecodable = decode(lines)
    number = pl.Series(np.arange(first, first + len(lines), dtype=np.uint32))
    return pl.DataFrame({"line": number, "text": text.str.strip_chars_end("\r\n"), "undecodable": undecodable})


def decode(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Binary values as text, and a mask of those that are not UTF-8: these come cut, U+FFFD for each wrong byte."""
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
