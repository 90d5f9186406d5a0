"""Runs of listens, each sorted by user, into one table by user and time, without exact duplicates: a range of users at a time."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl

from loopback_core.listens.log_rules import RAW_COLUMNS, TEXT_LENGTH, Reason
from loopback_core.listens.schema import SORT_KEYS
from loopback_core.listens.writing import TableWriter
from loopback_core.runtime.progress import progress

BUCKET_ROWS = 1_000_000


def sort_listens(
    runs: Sequence[tuple[int, Path]],
    users: pl.DataFrame,
    listens: TableWriter,
    rejects: TableWriter,
    bucket_rows: int = BUCKET_ROWS,
) -> None:
    """Append all rows to `listens`, or to `rejects` where an earlier row is equal.

    runs: the number of the file of the log, and where rows of it are (`cleaned_file.py`). users: user_id and len of all rows,
    sorted by user. The rows of about `bucket_rows` are in memory at once, or of one user with more.
    """
    file_of = pl.DataFrame(
        {"run": [str(path) for _, path in runs], "file": [file for file, _ in runs]},
        {"run": pl.String, "file": pl.UInt16},
    )
    table = pl.scan_parquet([path for _, path in runs], glob=False, include_file_paths="run")
    with progress("sort listens", int(users["len"].sum())) as shown:
        for first, last in _buckets(users, bucket_rows):
            mine = pl.col("user_id").is_between(pl.lit(first), pl.lit(last))
            place = pl.col("user_id").cast(
                pl.Enum(users.filter(mine)["user_id"])
            )  # numbers are sorted in two thirds of the time
            found = table.filter(mine).collect()
            file = found["run"].replace_strict(file_of["run"], file_of["file"]).alias("file")
            rows = found.drop("run").with_columns(file).sort(place, *SORT_KEYS[1:])
            distinct = _first_of_its_kind(rows)
            listens.append(rows.filter(distinct).drop("text"))
            duplicates = rows.filter(~distinct).with_columns(pl.lit(Reason.EXACT_DUPLICATE.value).alias("reason"))
            rejects.append(duplicates.select("file", "line", "reason", pl.col("text").str.head(TEXT_LENGTH)))
            shown.advance(rows.height)


def _first_of_its_kind(rows: pl.DataFrame) -> pl.Series:
    """Whether no earlier row is equal; in rows sorted by user and time only rows of one moment can be."""
    as_before = rows.select(
        (pl.col("user_id") == pl.col("user_id").shift()) & pl.col("timestamp").diff().eq(timedelta(0))
    )
    again = as_before.to_series().fill_null(False)
    of_a_moment = (again | again.shift(-1, fill_value=False)).arg_true()
    first = pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
    if len(of_a_moment):
        first = first.scatter(
            of_a_moment, rows[of_a_moment].select(pl.struct(RAW_COLUMNS).is_first_distinct()).to_series()
        )
    return first


def _buckets(users: pl.DataFrame, bucket_rows: int) -> Iterator[tuple[str, str]]:
    """The first and last user of consecutive ranges; a range is closed by the user who takes it to `bucket_rows`."""
    before = pl.col("len").cast(pl.Int64).cum_sum() - pl.col("len")
    ranges = (
        users.group_by((before // bucket_rows).alias("bucket"), maintain_order=True)
        .agg(pl.col("user_id").first().alias("first"), pl.col("user_id").last().alias("last"))
        .select("first", "last")
    )
    yield from ranges.iter_rows()
