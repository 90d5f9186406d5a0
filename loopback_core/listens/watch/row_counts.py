"""How many rows of a file are new, told in seconds whatever its size."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq

from loopback_core.listens.layouts.layout import Head
from loopback_core.listens.raw import RawFile
from loopback_core.listens.reading import read_rows
from loopback_core.listens.survey import Survey, head_of, survey
from loopback_core.listens.watch.known_log import KnownLog
from loopback_core.settings import SourceSettings

READ_BYTES = 1 << 22

MOST_COMPARED = 1 << 30
"""Bytes that a text must begin with, to be one that was appended to. Of a longer text it is taken for granted."""

MOST_PARSED = 1 << 25
"""Bytes of a packed file, or of JSON, whose rows are counted by reading them; those of a larger one are estimated."""

BYTES_OF_PACKED_ROW = 30  # of Last.fm-1K; only where nothing of the file was ever read


def new_rows(path: Path, size: int, known: KnownLog, source: SourceSettings, enough: int) -> tuple[int, bool]:
    """How many rows of a file that was changed are new, `enough` or more being enough; and whether it was rewritten.

    Of a text that was appended to, the lines of what was appended are new. A text that was rewritten is new as a whole.
    What is packed, Parquet and JSON can only be rewritten: the rows that it has more are new, all where it has not more.

    Raises:
        BadLogError: the file cannot be read, or is of no known layout.
        OSError: it cannot be read any more.
    """
    surveyed = survey(path, source)
    before = known.files.get(path)
    if surveyed.container == "plain" and surveyed.layout is not None and surveyed.layout.by_lines:
        if before and before.bytes < size and (before.bytes > MOST_COMPARED or _begins_with(path, before)):
            return line_count(path, before.bytes, size, enough), False
        return max(line_count(path, 0, size, enough) - _header_lines(path, surveyed, source), 0), before is not None
    if before is None:
        return _rows(path, size, surveyed, source, enough, size / BYTES_OF_PACKED_ROW), False
    rows_before = known.rows_of(path)
    estimate = rows_before * size / max(before.bytes, 1)
    rows = _rows(path, size, surveyed, source, rows_before + enough, estimate)
    return (rows - rows_before if rows > rows_before else rows), True


def line_count(path: Path, start: int, end: int, enough: int) -> int:
    """How many lines of a text begin between two bytes; counting stops at `enough`."""
    with path.open("rb") as file:
        file.seek(max(start - 1, 0))
        goes_on = start > 0 and file.read(1) != b"\n"
        lines, last = 0, b"\n"
        while start < end and lines <= enough and (block := file.read(min(READ_BYTES, end - start))):
            lines += block.count(b"\n")
            last = block[-1:]
            start += len(block)
    return lines + (last != b"\n") - goes_on


def _begins_with(path: Path, before: RawFile) -> bool:
    sha256 = hashlib.sha256()
    left = before.bytes
    with path.open("rb") as file:
        while left and (block := file.read(min(READ_BYTES, left))):
            sha256.update(block)
            left -= len(block)
    return sha256.hexdigest() == before.sha256


def _header_lines(path: Path, surveyed: Survey, source: SourceSettings) -> int:
    assert surveyed.layout is not None
    with path.open("rb") as file:
        return surveyed.layout.header_lines(Head(path.name, head_of(file), source))


def _rows(path: Path, size: int, surveyed: Survey, source: SourceSettings, enough: int, estimate: float) -> int:
    """All rows of a file; counting stops at `enough`."""
    if surveyed.container == "parquet":
        return int(pq.read_metadata(path).num_rows)
    if size > MOST_PARSED:
        return round(estimate)
    rows = 0
    for frame in read_rows(path, source, lambda _: None, surveyed=surveyed):
        rows += frame.height
        if rows >= enough:
            break
    return rows
