"""Lines of fields without quotes, split all at once: the form of data sets that research publishes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO

import polars as pl

from loopback_core.listens.layouts.layout import LayoutFile
from loopback_core.listens.lines import read_lines
from loopback_core.listens.log_rules import RAW_COLUMNS, RAW_SCHEMA, Reason

LONGEST_HEADER = 1 << 16  # bytes


@dataclass(frozen=True)
class Separated:
    """How lines are split: `places` says which field, from 0, each of our columns takes; a field may serve two.

    A line has between `least` and `most` fields.
    """

    separator: str
    places: Mapping[str, int]
    least: int
    most: int

    def split(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines (line, text, undecodable) as raw rows."""
        text = pl.col("text")
        separators = text.str.count_matches(self.separator, literal=True)
        problem = (
            pl.when("undecodable")
            .then(pl.lit(Reason.UNDECODABLE_BYTES.value))
            .when(~separators.is_between(self.least - 1, self.most - 1))
            .then(pl.lit(Reason.WRONG_FIELD_COUNT.value))
        )
        fields = text.str.split_exact(self.separator, self.most - 1)
        return lines.with_columns(fields.alias("fields"), problem.alias("problem")).select(
            "line", *(self._column(ours) for ours in RAW_COLUMNS), "problem", "text"
        )

    def _column(self, ours: str) -> pl.Expr:
        if ours not in self.places:
            return pl.lit(None, pl.String).alias(ours)
        return pl.col("fields").struct.field(f"field_{self.places[ours]}").alias(ours)

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """The lines of a stream as raw rows."""
        for lines in read_lines(stream, file.path, block_bytes, file.first_line):
            yield self.split(lines).select(RAW_SCHEMA.keys())


def pass_header(stream: IO[bytes], file: LayoutFile) -> tuple[str, LayoutFile]:
    """Read the first line of a stream; returns it without its end, and what is told of the lines after it."""
    header = stream.readline(LONGEST_HEADER).decode("utf-8", "replace").rstrip("\r\n")
    return header, replace(file, first_line=file.first_line + 1)
