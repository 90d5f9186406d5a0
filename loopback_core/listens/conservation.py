"""Whether every line of a stream is in a row: counted on the way in, apart from the reader that makes the rows."""

from pathlib import Path

import polars as pl

from loopback_core.errors import BadLogError


class Conservation:
    """Follows the rows of a stream whose records are lines; `first` is the number of the first row."""

    def __init__(self, path: Path, first_line: int, header_lines: int) -> None:
        self._path, self._first_line = path, first_line
        self._next = first_line + header_lines

    def follow(self, rows: pl.DataFrame) -> None:
        """The next rows: each begins at the line after those of the row before it.

        Raises:
            BadLogError: a line is missing, or is there twice.
        """
        lines = rows["line"]
        after = lines[-1] + 1 + rows["text"][-1].count("\n")
        contiguous = lines[0] == self._next
        if after - lines[0] != rows.height or not contiguous:  # some rows have several lines
            inside = rows["text"].str.count_matches("\n", literal=True)
            contiguous = contiguous and bool((lines[1:] == (lines + 1 + inside)[:-1]).all())
        else:
            contiguous = bool((lines.diff(null_behavior="drop") == 1).all())
        if not contiguous:
            raise self._lost(f"the rows from line {lines[0]:,} on do not follow each other")
        self._next = after

    def refuse_lost(self, lines: int) -> None:
        """After the last row. lines: those of the stream, counted by their ends.

        Raises:
            BadLogError: there are others than in the rows.
        """
        accounted = self._next - self._first_line
        if accounted != lines:
            raise self._lost(f"it has {lines:,} lines, but {accounted:,} are accounted for")

    def _lost(self, how: str) -> BadLogError:
        return BadLogError(
            f"Listens of {self._path} would be lost: {how}. This is a fault of loopback: report it, and convert the log to "
            "Parquet meanwhile."
        )
