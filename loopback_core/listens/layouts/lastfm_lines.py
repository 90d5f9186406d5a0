"""The layout of Last.fm-1K: lines of six fields separated by tabs, without a header."""

from collections.abc import Iterator, Sequence
from typing import IO

import polars as pl

from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.lines import read_lines
from loopback_core.listens.log_rules import RAW_COLUMNS, RAW_SCHEMA, Reason

TABS = len(RAW_COLUMNS) - 1
LINES_LOOKED_AT = 100  # lines
DIGITS_OF_TIME = 4  # a time has as many or more


class LastfmLines(Layout):
    """user, time, artist MBID, artist, track MBID, title; quotes are part of the names."""

    name = "Last.fm lines"
    by_lines = True

    def recognises(self, head: Head) -> bool:
        """Half of the first lines or more have five tabs, and the first is no header."""
        lines = head.lines[:LINES_LOOKED_AT]
        if not lines or {*lines[0].split("\t")} & {*head.source.columns.values()} or has_header(lines):
            return False
        return 2 * sum(line.count("\t") == TABS for line in lines) >= len(lines)

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        for lines in read_lines(stream, file.path, block_bytes, file.first_line):
            yield _split_fields(lines)


def has_header(lines: Sequence[str]) -> bool:
    """Whether the first of these lines names six columns: none is blank or a number, and what is in the place of a time is none."""
    first = lines[0].split("\t")
    if len(first) != TABS + 1 or not all(name.strip() for name in first) or any(map(_has_time, first)):
        return False
    times = [fields[1] for line in lines[1:] if len(fields := line.split("\t")) == TABS + 1]
    return 2 * sum(map(_has_time, times)) > len(times)


def _has_time(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= DIGITS_OF_TIME


def _split_fields(lines: pl.DataFrame) -> pl.DataFrame:
    text = pl.col("text")
    problem = (
        pl.when("undecodable")
        .then(pl.lit(Reason.UNDECODABLE_BYTES.value))
        .when(text.str.count_matches("\t", literal=True) != TABS)
        .then(pl.lit(Reason.WRONG_FIELD_COUNT.value))
    )
    fields = text.str.split_exact("\t", TABS).struct.rename_fields(list(RAW_COLUMNS))
    return (
        lines.select("line", "text", problem.alias("problem"), fields.alias("fields"))
        .unnest("fields")
        .select(RAW_SCHEMA.keys())
    )
