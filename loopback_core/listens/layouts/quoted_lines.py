"""Lines of delimited text to fields. A quote costs no other line than its own."""

import csv
import re
from collections.abc import Collection, Iterable, Iterator

import polars as pl

QUOTE = '"'
BARE_CR = re.compile(r"\r(?!\n)")
HIDDEN_CR = "\udc0d"  # not in any text; csv takes a bare "\r" for the end of a line
MOST_LINES_OF_RECORD = 1000
MOST_FIELDS_AT_ONCE = 100  # of a line that is split by a regular expression, whose size they multiply
SHORTEST_TIME = 4  # digits

Fields = list[str] | None
"""None: the line has another number of fields than the header."""

Record = tuple[int, int, Fields]
"""The index of the first line of a record, how many lines it takes, and its fields."""


def split_plain(lines: pl.DataFrame, delimiter: str, width: int) -> pl.DataFrame:
    """`lines` (with a column text, no quote in it) with a struct `fields` (field_0, ...); `ragged` where it has others than `width`."""
    text = pl.col("text")
    return lines.with_columns(
        text.str.split_exact(delimiter, width - 1).alias("fields"),
        (text.str.count_matches(delimiter, literal=True) != width - 1).alias("ragged"),
    )


def split_regular(lines: pl.DataFrame, delimiter: str, width: int, places: Collection[int]) -> pl.DataFrame:
    """The same of lines in which some fields are quoted and none holds a quote; `regular` is False at all others.

    `fields` has only those of `places`. One regular expression for the line: Python's csv would take five times as long.
    """
    if width > MOST_FIELDS_AT_ONCE:
        return lines.with_columns(pl.lit(False).alias("regular"), pl.lit(False).alias("ragged"))
    other = re.escape(delimiter)
    whole = other.join(
        f'(?:"(?<quoted_{place}>[^"]*)"|(?<bare_{place}>[^"{other}]*))'
        if place in places
        else f'(?:"[^"]*"|[^"{other}]*)'
        for place in range(width)
    )
    groups = lines["text"].str.extract_groups(f"^(?:{whole})$").struct.unnest()
    fields = groups.select(pl.coalesce(f"quoted_{place}", f"bare_{place}").alias(f"field_{place}") for place in places)
    regular = fields[:, 0].is_not_null().alias("regular")
    return lines.with_columns(fields.to_struct("fields"), regular, pl.lit(False).alias("ragged"))


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
        for index, line in zip(quoted, lines.gather(quoted).to_list(), strict=True):
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
        text = _without_end(line)
        try:
            fields = self._read((text,))
        except csv.Error as error:
            bare = text.split(self._delimiter)
            return bare if len(bare) == self._width else None, "unexpected end" in str(error)
        return fields if len(fields) == self._width else None, False

    def _read(self, lines: Iterable[str]) -> list[str]:
        r"""The fields of the first record of `lines`; a bare "\r" is a part of them."""
        shown = (BARE_CR.sub(HIDDEN_CR, line) if "\r" in line else line for line in lines)
        fields = next(csv.reader(shown, delimiter=self._delimiter, strict=True), [])
        return [field.replace(HIDDEN_CR, "\r") for field in fields] if HIDDEN_CR in "".join(fields) else fields

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
            return self._are_of_listen(self._read((_without_end(line),)))
        except csv.Error:
            return False

    def _are_of_listen(self, fields: list[str]) -> bool:
        """Whether they are as many as the columns, with a time in its place, and none of those that are needed is blank."""
        if len(fields) != self._width or sum(map(str.isdigit, fields[self._time_at])) < SHORTEST_TIME:
            return False
        return all(fields[place].strip() for place in self._needed)


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")
