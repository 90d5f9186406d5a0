"""Text as numbered lines, read in blocks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
import pyarrow as pa

from loopback_core.errors import BadLogError
from loopback_core.listens.log_rules import BLANK, MOST_LINES, TEXT_LENGTH

LONGEST_LINE = 1 << 26  # bytes; a file without line ends would otherwise be read into memory whole
SHORTEST_LINE = 64  # bytes; the bound on a frame counts shorter lines as this long: each costs some 500 bytes of memory

Advance = Callable[[int], object]
"""Called with the number of bytes of the file on disk that were read since the last call."""


def read_lines(stream: IO[bytes], path: Path, block_bytes: int, first: int) -> Iterator[pl.DataFrame]:
    r"""Lines of a stream in frames of at most about `block_bytes`: line (from `first`), text, undecodable.

    A line ends at "\n" or "\r\n" and nowhere else: names may hold every other separator that Unicode knows. The last
    line may lack its end. One blank line at the end is not a line. path: the file, for sentences.

    Raises:
        BadLogError: there are too many lines, or one that is too long.
    """
    for lines in line_blocks(stream, path, block_bytes):
        refuse_too_many(first + len(lines), path)
        text, undecodable = decode(lines)
        number = pl.Series(np.arange(first, first + len(lines), dtype=np.uint32))
        yield pl.DataFrame({"line": number, "text": text.str.strip_chars_end("\r\n"), "undecodable": undecodable})
        first += len(lines)


def refuse_too_many(lines: int, path: Path) -> None:
    """Raise when a file has more lines than their numbers can count.

    Raises:
        BadLogError: it has.
    """
    if lines > MOST_LINES:
        raise BadLogError(f"{path} has more than {MOST_LINES:,} lines: split it into several files.")


def line_blocks(stream: IO[bytes], path: Path, block_bytes: int, start: bytes = b"") -> Iterator[pl.Series]:
    """The lines of a stream as binary series of about `block_bytes`, their ends included (see :func:`read_lines`).

    start: what was read of the stream already.

    Raises:
        BadLogError: a line is too long.
    """
    most = max(block_bytes // SHORTEST_LINE, 1)
    rest = start
    while block := stream.read(block_bytes):
        rest += block
        # The last line is held back: it may be incomplete, or the blank one at the end.
        end = rest.rfind(b"\n", 0, len(rest) - 1) + 1
        for begin, stop in _ranges(rest, 0, end, most):
            yield _cut(rest, begin, stop)
        rest = rest[end:]
        if len(rest) > LONGEST_LINE:
            raise BadLogError(f"{path} has a line of over {LONGEST_LINE >> 20} MiB: it is not a listening log.")
    yield from _last(rest, most)


def _last(rest: bytes, most: int) -> Iterator[pl.Series]:
    end = rest.rfind(b"\n", 0, len(rest) - 1) + 1
    if rest[end:] in (b"", *BLANK):
        rest = rest[:end]
    for begin, stop in _ranges(rest, 0, len(rest), most):
        yield _cut(rest, begin, stop)


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
