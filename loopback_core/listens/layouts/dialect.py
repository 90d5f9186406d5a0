"""How a text with a header is separated: found by content, in its first lines."""

import csv
from collections import Counter
from dataclasses import dataclass

from loopback_core.listens.layouts.layout import Head
from loopback_core.listens.log_columns import match_columns

DELIMITERS = (",", ";", "\t", "|")
LINES_COMPARED = 100  # lines


@dataclass(frozen=True)
class Dialect:
    """The delimiter, the names of the columns, and how many lines of the stream come before the first row."""

    delimiter: str
    header: tuple[str, ...]
    lines_before: int


def dialect_of(head: Head) -> Dialect | None:
    r"""How the stream is separated; None where it is not text of two columns or more.

    A line `sep=;` says it. Otherwise the delimiter under which the header has the needed columns is taken, or the one that
    most of the first lines have as often as the header; in a .tsv tabs before all others. Blank lines before the header are
    passed over.
    """
    lines = head.lines
    before = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    candidates: tuple[str, ...] = DELIMITERS
    if before < len(lines) and (said := lines[before].strip().strip('"').lower()).startswith("sep="):
        candidates = (said[len("sep=") :] or lines[before].strip().strip('"')[len("sep=") :] or "\t",)[:1]
        before += 1
        if len(candidates[0]) != 1 or candidates[0] in '"\n\r':
            candidates = DELIMITERS
    elif ".tsv" in head.name.lower():
        candidates = ("\t", *(delimiter for delimiter in DELIMITERS if delimiter != "\t"))
    found = [dialect for delimiter in candidates if (dialect := _separated_by(delimiter, lines, before))]
    if not found:
        return None
    complete = [dialect for dialect in found if not match_columns(dialect.header, head.source)[1]]
    rows = lines[before : before + LINES_COMPARED]
    return max(complete or found, key=lambda dialect: _agreeing(dialect, rows))


def _separated_by(delimiter: str, lines: list[str], before: int) -> Dialect | None:
    reader = csv.reader((line + "\n" for line in lines[before:]), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        used = reader.line_num
    except csv.Error:  # a quote in it is not regular
        header, used = (lines[before].split(delimiter) if before < len(lines) else []), 1
    if len(header) < 2:
        return None
    return Dialect(delimiter, tuple(name.strip() for name in header), before + used)


def _agreeing(dialect: Dialect, rows: list[str]) -> int:
    counts = Counter(row.count(dialect.delimiter) for row in rows)
    return counts[len(dialect.header) - 1]
