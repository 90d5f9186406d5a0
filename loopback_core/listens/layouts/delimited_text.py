"""Text with a header and a delimiter: .csv, .tsv and their like, under our column names or the user's mapping."""

from collections.abc import Iterator
from typing import IO

import polars as pl

from loopback_core.listens.layouts.dialect import Dialect, dialect_of
from loopback_core.listens.layouts.layout import HEAD_BYTES, Head, Layout, LayoutFile
from loopback_core.listens.layouts.quoted_lines import QUOTE, QuotedLines, split_plain, split_regular
from loopback_core.listens.lines import decode, line_blocks, refuse_too_many
from loopback_core.listens.log_columns import OPTIONAL_COLUMNS, find_columns, match_columns
from loopback_core.listens.log_rules import RAW_COLUMNS, Reason

LINES_SCHEMA = {"line": pl.UInt32, "text": pl.String, "raw": pl.String, "undecodable": pl.Boolean}


class DelimitedText(Layout):
    """Columns in any order, quoted as RFC 4180 says, separated by a comma, a semicolon, a tab or a bar."""

    name = "text with a header"
    by_lines = True

    def recognises(self, head: Head) -> bool:
        """The header has every column that is needed."""
        dialect = dialect_of(head)
        return dialect is not None and not match_columns(dialect.header, head.source)[1]

    def names_users(self, head: Head) -> bool:
        """See :class:`Layout`."""
        return "user_id" in match_columns(self.dialect(head).header, head.source)[0]

    def header_lines(self, head: Head) -> int:
        """See :class:`Layout`."""
        return self.dialect(head).lines_before

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`. A record over several lines counts as its first line."""
        start = stream.read(HEAD_BYTES)
        dialect = self.dialect(Head(file.name or file.path.name, start, file.source))
        yield from self.frames(stream, start, dialect, file, block_bytes)

    def dialect(self, head: Head) -> Dialect:
        """How the stream is separated. A text that nothing separates is one column."""
        return dialect_of(head) or Dialect(",", (head.lines[0] if head.lines else "",), 1)

    def columns(self, file: LayoutFile, dialect: Dialect) -> dict[str, str]:
        """The name of a column of the rows -> that of the text. Names beyond RAW_COLUMNS come as further columns."""
        return find_columns(file.path, dialect.header, file.source)

    def frames(
        self, stream: IO[bytes], start: bytes, dialect: Dialect, file: LayoutFile, block_bytes: int
    ) -> Iterator[pl.DataFrame]:
        """The rows of a stream of which `start` was read, with a column for each of `columns`."""
        columns = self.columns(file, dialect)
        places = {ours: dialect.header.index(theirs) for ours, theirs in columns.items()}
        needed = [places[ours] for ours in RAW_COLUMNS if ours in places and ours not in OPTIONAL_COLUMNS]
        records = QuotedLines(dialect.delimiter, len(dialect.header), places["timestamp"], needed)
        before, line = dialect.lines_before, file.first_line
        held = pl.DataFrame(schema=LINES_SCHEMA)
        for block in line_blocks(stream, file.path, block_bytes, start):
            skipped = min(before, len(block))
            before -= skipped
            lines = _numbered(block.slice(skipped), line + skipped)
            line += len(block)
            refuse_too_many(line, file.path)
            rows, held = _rows(pl.concat([held, lines]), dialect, places, records, last=False)
            yield from rows
        yield from _rows(held, dialect, places, records, last=True)[0]


def _numbered(block: pl.Series, first: int) -> pl.DataFrame:
    raw, undecodable = decode(block)
    text = raw.str.strip_suffix("\n").str.strip_suffix("\r")
    number = pl.int_range(first, first + len(block), dtype=pl.UInt32, eager=True)
    return pl.DataFrame({"line": number, "text": text, "raw": raw, "undecodable": undecodable})


def _rows(
    lines: pl.DataFrame, dialect: Dialect, places: dict[str, int], records: QuotedLines, *, last: bool
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """The raw rows of `lines` in their order, none or one frame, and the lines of a record that may go on after them."""
    delimiter, width = dialect.delimiter, len(dialect.header)
    has_quote = pl.col("text").str.contains(QUOTE, literal=True) & ~pl.col("undecodable")
    lines = lines.with_columns(has_quote.alias("quoted"))
    if not lines["quoted"].any():
        return _framed([split_plain(lines, delimiter, width)], places), lines.clear().select(LINES_SCHEMA.keys())
    lines = lines.with_row_index("place")
    regular = split_regular(lines.filter("quoted"), delimiter, width, {*places.values()})
    odd = regular.filter(~pl.col("regular"))["place"]
    free = pl.repeat(True, lines.height, dtype=pl.Boolean, eager=True)  # of records that begin at an odd line
    parts: list[pl.DataFrame] = []
    held, end = lines.clear(), lines.height
    if len(odd):
        read: list[tuple[int, int, list[str] | None]] = []
        for record in records.records(lines["raw"], odd.to_list(), ~lines["undecodable"], last):
            if isinstance(record, int):
                held, end = lines[record:], record
                break
            read.append(record)
        if read:
            free = free.scatter([start + more for start, count, _ in read for more in range(count)], False)
            parts.append(_of_records(lines, read, width))
    parts += [
        split_plain(lines[:end].filter(free[:end] & ~lines["quoted"][:end]), delimiter, width),
        regular.filter(pl.col("regular") & free[regular["place"]] & (pl.col("place") < end)),
    ]
    return _framed(parts, places), held.select(LINES_SCHEMA.keys())


def _of_records(lines: pl.DataFrame, read: list[tuple[int, int, list[str] | None]], width: int) -> pl.DataFrame:
    starts = lines[[start for start, _, _ in read]]
    texts = starts["text"].to_list()
    raw = lines["raw"]
    for number, (start, count, _) in enumerate(read):
        if count > 1:
            texts[number] = "".join(raw.slice(start, count)).removesuffix("\n").removesuffix("\r")
    names = [f"field_{number}" for number in range(width)]
    nothing: list[str | None] = [None] * width
    values = [fields or nothing for _, _, fields in read]
    columns = zip(names, zip(*values, strict=True), strict=True)
    fields = pl.DataFrame([pl.Series(name, column, pl.String) for name, column in columns]).to_struct("fields")
    ragged = pl.Series([fields is None for _, _, fields in read])
    return starts.with_columns(pl.Series("text", texts, pl.String), fields, ragged.alias("ragged"))


def _framed(parts: list[pl.DataFrame], places: dict[str, int]) -> list[pl.DataFrame]:
    """Parts with columns line, text, undecodable, fields and ragged as one raw frame, in the order of the lines."""
    problem = (
        pl.when("undecodable")
        .then(pl.lit(Reason.UNDECODABLE_BYTES.value))
        .when("ragged")
        .then(pl.lit(Reason.WRONG_FIELD_COUNT.value))
    )
    usable = problem.is_null()
    frames = []
    for part in parts:
        if part.is_empty():
            continue
        field = {ours: pl.col("fields").struct.field(f"field_{place}") for ours, place in places.items()}
        values = [
            (pl.when(usable).then(field[ours]) if ours in field else pl.lit(None, pl.String)).alias(ours)
            for ours in dict.fromkeys((*RAW_COLUMNS, *places))
        ]
        frames.append(part.select("line", *values, problem.alias("problem"), "text"))
    if len(frames) < 2:
        return frames
    return [pl.concat(frames).sort("line")]
