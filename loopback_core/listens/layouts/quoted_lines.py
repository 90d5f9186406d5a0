"""Lines of delimited text to fields. A quote costs no other line than its own."""

import csv
import re
from collections.abc import Iterator

import polars as pl

QUOTE = '"'
BARE_CR = re.compile(r"\r(?!\n)")
HIDDEN_CR = "\udc0d"  # not in any text; csv takes a bare "\r" for the end of a line
MOST_LINES_OF_RECORD = 1000
SHORTEST_TIME = 4  # digits

Fields = list[str] | None
"""None: the line has another number of fields than the header."""

Record = tuple[int, int, Fields]
"""The index of the first line of a record, how many lines it takes, and its fields."""


def split_plain(lines: pl.DataFrame, delimiter: str, width: int) -> pl.DataFrame:
    """`lines` (with a column text, no quote in it) with a column `fields`, a struct of `width`; `ragged` where it has others."""
    text = pl.col("text")
    return lines.with_columns(
        text.str.split_exact(delimiter, width - 1).alias("fields"),
        (text.str.count_matches(delimiter, literal=True) != width - 1).alias("ragged"),
    )


def split_quoted(lines: pl.DataFrame, delimiter: str, width: int) -> pl.DataFrame:
    """The same of lines in which every field is quoted and none holds a quote (see :func:`is_all_quoted`)."""
    inside = pl.col("text").str.slice(1, pl.col("text").str.len_chars() - 2)
    return lines.with_columns(
        inside.str.split_exact(f"{QUOTE}{delimiter}{QUOTE}", width - 1).alias("fields"), pl.lit(False).alias("ragged")
    )


def is_all_quoted(delimiter: str, width: int) -> pl.Expr:
    """Whether a text is `width` quoted fields that hold no quote: two quotes for each, all of them at its ends."""
    text = pl.col("text")
    return (
        text.str.starts_with(QUOTE)
        & text.str.ends_with(QUOTE)
        & (text.str.count_matches(QUOTE, literal=True) == 2 * width)
        & (text.str.count_matches(f"{QUOTE}{delimiter}{QUOTE}", literal=True) == width - 1)
    )


class QuotedLines:
    r"""Records of lines that hold quotes in any way.

    A record over several lines is accepted only where its quoting is regular (RFC 4180), it has the right number of fields,
    and no line inside of it is a listen by itself. Else each line is judged by itself, and where its quotes are not regular
    they are part of the names.
    """

    def __init__(self, delimiter: str, width: int, time_at: int, needed: list[int]) -> None:
        self._delimiter, self._width, self._time_at, self._needed = delimiter, width, time_at, needed

    def records(self, lines: pl.Series, quoted: list[int], usable: pl.Series, last: bool) -> Iterator[Record | int]:
        """The records that begin at the lines `quoted` (indices), in their order.

        lines: text with line ends. usable: False at lines that cannot be part of a record, since they are not UTF-8.
        last: whether these are the last lines of the stream; otherwise the index of a line is yielded, and nothing after it,
        when its record may go on beyond the last line.
        """
        free = 0
        for index, line in zip(quoted, lines.gather(quoted), strict=True):
            if index < free:
                continue
            fields, is_open = self._alone(line)
            if not is_open:
                yield index, 1, fields
                continue
            joined = self._joined(index, lines, usable)
            if joined is None:
                yield index, 1, fields
            elif joined[1] == 0:
                if not last:
                    yield index
                    return
                yield index, 1, fields
            else:
                yield joined
                free = index + joined[1]

    def _alone(self, line: str) -> tuple[Fields, bool]:
        """The fields of a line by itself, and whether a quote in it may close in a later line."""
        try:
            fields = self._read(iter([line]))
        except csv.Error as error:
            bare = _without_end(line).split(self._delimiter)
            return bare if len(bare) == self._width else None, "unexpected end" in str(error)
        return fields if len(fields) == self._width else None, False

    def _read(self, lines: Iterator[str]) -> list[str]:
        """The fields of the first record of `lines`, each with its end."""
        hidden = (BARE_CR.sub(HIDDEN_CR, line) for line in lines)
        fields = next(csv.reader(hidden, delimiter=self._delimiter, strict=True), [])
        return [field.replace(HIDDEN_CR, "\r") for field in fields]

    def _joined(self, index: int, lines: pl.Series, usable: pl.Series) -> Record | None:
        """The record over several lines that begins at `index`; None: it is not regular. 0 lines: the lines end before it."""
        read: list[str] = []

        def following() -> Iterator[str]:
            for place in range(index, min(index + MOST_LINES_OF_RECORD, len(lines))):
                if not usable[place]:
                    return
                read.append(lines[place])
                yield read[-1]

        try:
            fields = self._read(following())
        except csv.Error as error:
            at_end = index + len(read) == len(lines)
            return (index, 0, None) if at_end and "unexpected end" in str(error) else None
        first, *middle, end = read
        bare = _without_end(first).split(self._delimiter)
        swallowed = any(map(self._is_listen, middle)) or (self._are_of_listen(bare) and self._is_listen(end))
        if len(fields) != self._width or swallowed:
            return None
        return index, len(read), fields

    def _is_listen(self, line: str) -> bool:
        """Whether a line could be a listen by itself. Inside of a quoted field it has no quotes that begin a field."""
        try:
            return self._are_of_listen(self._read(iter([line])))
        except csv.Error:
            return False

    def _are_of_listen(self, fields: list[str]) -> bool:
        """Whether they are as many as the columns, with a time in its place, and none of those that are needed is blank."""
        if len(fields) != self._width or sum(map(str.isdigit, fields[self._time_at])) < SHORTEST_TIME:
            return False
        return all(fields[place].strip() for place in self._needed)


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")
