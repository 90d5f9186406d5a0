"""A layout that loses a line is found out, whatever it does with it."""

from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens import reading
from loopback_core.listens.layouts import LASTFM_LINES
from loopback_core.settings import SourceSettings

LINES = "".join(f"u{number}\t2009-05-04T23:08:57Z\t\tA\t\tT\n" for number in range(5))


def without_the_third(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows[:2], rows[3:]])


def with_the_third_under_another_number(rows: pl.DataFrame) -> pl.DataFrame:
    fewer = without_the_third(rows)
    return fewer.with_columns(rows["line"][: fewer.height])


def without_the_last(rows: pl.DataFrame) -> pl.DataFrame:
    return rows[:-1]


def without_the_first(rows: pl.DataFrame) -> pl.DataFrame:
    return rows[1:]


def with_the_third_twice(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows[:3], rows[2:]])


@pytest.mark.parametrize(
    "spoil",
    [
        without_the_third,
        with_the_third_under_another_number,
        without_the_last,
        without_the_first,
        with_the_third_twice,
        pl.DataFrame.reverse,
    ],
)
def test_a_line_that_a_layout_loses_or_reads_twice_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: object
) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(LINES)
    rows = type(LASTFM_LINES).rows
    monkeypatch.setattr(type(LASTFM_LINES), "rows", lambda *args: map(spoil, rows(*args)))  # type: ignore[arg-type]
    with pytest.raises(BadLogError, match=r"would be lost: .* This is a fault of loopback"):
        list(reading.read_rows(path, SourceSettings(), lambda _: None))


def test_lines_are_counted_by_their_ends(tmp_path: Path) -> None:
    for end in ("", "\n", "\r\n", "\n\n", "\n\r\n", "\n\r"):
        path = tmp_path / "log.tsv"
        path.write_bytes((LINES.removesuffix("\n") + end).encode())
        assert sum(rows.height for rows in reading.read_rows(path, SourceSettings(), lambda _: None)) == 5
