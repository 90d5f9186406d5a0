"""The files of a log as raw rows, each with its line number, whatever the format."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.lines import Advance, read_lines
from loopback_core.listens.log_paths import PROFILES
from loopback_core.listens.log_rules import RAW_COLUMNS, RAW_SCHEMA, Reason
from loopback_core.listens.schema import RawRow, validate
from loopback_core.listens.tables import read_csv, read_parquet
from loopback_core.settings import SourceSettings

BLOCK_BYTES = 1 << 26


def read_rows(
    path: Path, source: SourceSettings, advance: Advance, block_bytes: int = BLOCK_BYTES, sha256: str | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of one file of a log in the order of its lines, in frames (:class:`RawRow`) of about `block_bytes`.

    `advance` is called with the bytes read since the last call. Nothing is left out but the header of a .csv. sha256:
    the digest that the file must have, compared once the last row was read; None: any.

    Raises:
        BadLogError: the file is missing, truncated, damaged, changed, of an unknown kind, or lacks a column.
    """
    if path.name.endswith((".tsv", ".tsv.gz", ".tar.gz")):
        frames: Iterator[pl.DataFrame] = map(
            _split_fields, read_lines(path, _log_members, block_bytes, advance, sha256)
        )
    elif path.name.endswith(".csv"):
        frames = read_csv(path, source, block_bytes, advance, sha256)
    elif path.name.endswith(".parquet"):
        frames = read_parquet(path, source, block_bytes, advance, sha256)
    else:
        raise BadLogError(f"{path} is not a .tsv, .tsv.gz, .tar.gz, .csv or .parquet file: convert it, or rename it.")
    for frame in frames:
        yield validate(RawRow, frame)


def _log_members(names: list[str]) -> list[str]:
    lastfm = [name for name in names if Path(name).name.startswith("userid-timestamp-")]
    return lastfm or [name for name in names if Path(name).name != PROFILES]


def _split_fields(lines: pl.DataFrame) -> pl.DataFrame:
    tabs = len(RAW_COLUMNS) - 1
    text = pl.col("text")
    problem = (
        pl.when("undecodable")
        .then(pl.lit(Reason.UNDECODABLE_BYTES.value))
        .when(text.str.count_matches("\t", literal=True) != tabs)
        .then(pl.lit(Reason.WRONG_FIELD_COUNT.value))
    )
    fields = text.str.split_exact("\t", tabs).struct.rename_fields(list(RAW_COLUMNS))
    return (
        lines.select("line", "text", problem.alias("problem"), fields.alias("fields"))
        .unnest("fields")
        .select(RAW_SCHEMA.keys())
    )
