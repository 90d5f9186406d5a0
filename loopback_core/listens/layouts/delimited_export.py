"""What exports in delimited text have in common: columns under names of their own, some of which only say what a row is."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import IO

import polars as pl

from loopback_core.listens.layouts.delimited_text import DelimitedText
from loopback_core.listens.layouts.dialect import Dialect, dialect_of
from loopback_core.listens.layouts.layout import Head, LayoutFile
from loopback_core.listens.log_rules import RAW_SCHEMA, Reason
from loopback_core.settings import SourceSettings


class DelimitedExport(DelimitedText):
    """Text with a header whose names tell the layout. A mapping of the user's that does not fit is not looked at."""

    has_users = False

    @abstractmethod
    def columns_of(self, header: Sequence[str]) -> dict[str, str] | None:
        """Our column, or a name of our own choice, -> the export's; None: the header is of another layout."""

    def finished(self, rows: pl.DataFrame, dialect: Dialect, source: SourceSettings) -> pl.DataFrame:
        """Rows with the columns of RAW_SCHEMA, and those of our own choice, with what these say taken into account."""
        return rows

    def recognises(self, head: Head) -> bool:
        """The header has the names."""
        dialect = dialect_of(head)
        return dialect is not None and self.columns_of(dialect.header) is not None

    def names_users(self, head: Head) -> bool:
        """See :class:`Layout`."""
        return self.has_users

    def columns(self, file: LayoutFile, dialect: Dialect) -> dict[str, str]:
        """See :class:`DelimitedText`."""
        return self.columns_of(dialect.header) or {}

    def frames(
        self, stream: IO[bytes], start: bytes, dialect: Dialect, file: LayoutFile, block_bytes: int
    ) -> Iterator[pl.DataFrame]:
        """See :class:`DelimitedText`."""
        for rows in super().frames(stream, start, dialect, file, block_bytes):
            yield self.finished(rows, dialect, file.source).select(RAW_SCHEMA.keys())


def with_problem(rows: pl.DataFrame, condition: pl.Expr, reason: Reason) -> pl.DataFrame:
    """Rows with `problem` set where the condition holds and nothing was wrong before."""
    found = pl.when(condition.fill_null(False)).then(pl.lit(reason.value))
    return rows.with_columns(pl.coalesce("problem", found).alias("problem"))


def too_short(milliseconds: str, source: SourceSettings) -> pl.Expr:
    """Whether the column `milliseconds` holds a duration that is too short for a listen."""
    return pl.col(milliseconds).str.strip_chars().cast(pl.Float64, strict=False) < 1000 * source.least_seconds_played
