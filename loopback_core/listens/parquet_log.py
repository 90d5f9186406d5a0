"""Parquet logs as raw rows."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts.yambda import is_yambda, yambda_columns, yambda_rows
from loopback_core.listens.lines import Advance, decode
from loopback_core.listens.log_columns import find_columns, match_columns
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_rules import MOST_LINES, RAW_COLUMNS, Reason
from loopback_core.listens.time_forms import form_of
from loopback_core.settings import SourceSettings

PARQUET_DAMAGE = (pa.ArrowException, OSError, KeyError, ValueError, OverflowError)
"""What pyarrow raises on a file that is no Parquet or is damaged; names of columns may be no UTF-8."""

ROW_BYTES = 512  # what a row of Python strings takes, roughly

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""The days of the years 1 to 9999, from 1970-01-01."""

DAY_TICKS = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6}
"""Ticks of a day. Nanoseconds of 64 bits do not leave these years."""


def read_parquet(
    path: Path, source: SourceSettings, block_bytes: int, advance: Advance, sha256: str | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a .parquet in raw frames of about `block_bytes`; `line` is the row, from 1.

    Times may be datetimes (without a zone: `source.time_zone`), dates, ISO 8601 text, or numbers where the settings say so. The file
    is not read in its order: it is digested at the end, and must not have been touched in between.

    Raises:
        BadLogError: the file is missing, damaged, changed, lacks a column, or has one of a wrong type.
    """
    with open_log(path, sha256) as file:
        try:
            yield from _parquet_batches(path, source, max(block_bytes // ROW_BYTES, 1), advance)
        except PARQUET_DAMAGE as error:
            raise _unreadable(path, error) from None
        file.raw.refuse_changed()


def _unreadable(path: Path, error: Exception) -> BadLogError:
    return BadLogError(f"{path} is not a readable Parquet file ({' '.join(str(error).split())}): write it again.")


def parquet_names_users(path: Path, source: SourceSettings) -> bool:
    """Whether a Parquet log has a column of users.

    Raises:
        BadLogError: it is damaged.
    """
    try:
        schema = pq.read_schema(path)
        return is_yambda(schema) or "user_id" in match_columns(schema.names, source)[0]
    except PARQUET_DAMAGE as error:
        raise _unreadable(path, error) from None


def _parquet_batches(path: Path, source: SourceSettings, batch_rows: int, advance: Advance) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        of_yambda = is_yambda(file.schema_arrow) and not source.columns
        if of_yambda and source.time_format != "iso":
            raise BadLogError(f"{path} holds listens of Yambda, whose times are known: remove [source] time_format.")
        columns = {} if of_yambda else find_columns(path, file.schema_arrow.names, source)
        in_file = yambda_columns(file.schema_arrow) if of_yambda else list(columns.values())
        if file.metadata.num_rows > MOST_LINES:
            raise BadLogError(f"{path} has more than {MOST_LINES:,} rows: split it into several files.")
        share = path.stat().st_size / max(file.metadata.num_rows, 1)
        line = 1
        for batch in file.iter_batches(batch_rows, columns=in_file):
            if of_yambda:
                yield yambda_rows(batch, line, source)
            else:
                yield _parquet_rows(batch, columns, line, path, source)
            line += batch.num_rows
            advance(int(share * batch.num_rows))
        if line - 1 != file.metadata.num_rows:
            raise BadLogError(
                f"{path} says that it has {file.metadata.num_rows:,} rows, but {line - 1:,} were read: write it again."
            )


def _parquet_rows(
    batch: pa.RecordBatch, columns: dict[str, str], line: int, path: Path, source: SourceSettings
) -> pl.DataFrame:
    fields: dict[str, pl.Series] = {}
    undecodable = pl.Series(values=[False]).new_from_index(0, batch.num_rows)
    for ours in RAW_COLUMNS:
        if ours not in columns:
            fields[ours] = pl.Series(values=[None], dtype=pl.String).new_from_index(0, batch.num_rows)
            continue
        values = _series(batch.column(columns[ours]))
        if values.dtype == pl.Binary:
            fields[ours], wrong = decode(values)
            undecodable |= wrong
        elif ours == "timestamp":
            fields[ours] = _times_as_text(values, path, columns[ours], source)
        elif values.dtype.is_integer() or values.dtype in (pl.String, pl.Null):
            fields[ours] = values.cast(pl.String)
        else:
            raise BadLogError(f"{path}: the column {columns[ours]!r} (for {ours}) holds {values.dtype}: make it text.")
    problem = pl.when(undecodable).then(pl.lit(Reason.UNDECODABLE_BYTES.value))
    return pl.DataFrame(fields).select(
        pl.int_range(line, line + batch.num_rows, dtype=pl.UInt32).alias("line"),
        *RAW_COLUMNS,
        problem.alias("problem"),
        pl.concat_str(pl.col(RAW_COLUMNS).fill_null(""), separator="\t").alias("text"),
    )


def _series(column: pa.Array) -> pl.Series:
    """A column: text as bytes, since Parquet does not promise that it is UTF-8; times with any zone in UTC."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    elif pa.types.is_timestamp(column.type) and column.type.tz is not None:  # polars knows no "+05:30"
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    return pl.Series(column)


def first_times(path: Path, column: str, count: int) -> list[str]:
    """The first times of a column of a Parquet file, at most `count`, where they are text or numbers.

    Raises:
        BadLogError: the file is damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            batch = next(file.iter_batches(count, columns=[column]), None)
            times = pl.Series([], dtype=pl.Null) if batch is None else _series(batch.column(0))
    except PARQUET_DAMAGE as error:
        raise _unreadable(path, error) from None
    if times.dtype == pl.Binary:
        times, _ = decode(times)
    return times.drop_nulls().cast(pl.String).to_list() if times.dtype.is_numeric() or times.dtype == pl.String else []


def _times_as_text(values: pl.Series, path: Path, name: str, source: SourceSettings) -> pl.Series:
    is_time = isinstance(values.dtype, (pl.Datetime, pl.Date))
    if not (is_time or values.dtype.is_numeric() or values.dtype == pl.Null):
        raise BadLogError(f"{path}: the time column {name!r} holds {values.dtype}: make it a datetime or text.")
    if is_time and source.time_format != "iso":
        raise BadLogError(
            f"{path}: the time column {name!r} holds {values.dtype}, not {source.time_format}: remove [source] time_format."
        )
    if values.dtype.is_numeric() and source.time_format == "iso":
        likely = form_of(values.drop_nulls().head(10).cast(pl.Int64, strict=False).cast(pl.String).drop_nulls())
        if likely is None and values.drop_nulls().len():
            raise BadLogError(
                f"{path}: the time column {name!r} holds numbers such as {values.drop_nulls()[0]}, which are neither seconds nor "
                "milliseconds since 1970: make it a datetime."
            )
        unit = "milliseconds" if likely == "epoch_milliseconds" else "seconds"
        raise BadLogError(
            f"{path}: the time column {name!r} holds numbers; if they are {unit} since 1970, set "
            f'[source] time_format = "epoch_{unit}".'
        )
    if not is_time:
        return values.cast(pl.String)
    unit = values.dtype.time_unit if isinstance(values.dtype, pl.Datetime) else "days"
    if unit == "ns":
        return _text_of_times(values, source)
    ticks = DAY_TICKS.get(unit, 1)
    number = values.to_physical().cast(pl.Int64)
    readable = number.is_between(FIRST_DAY * ticks, (LAST_DAY + 1) * ticks - 1)  # polars panics on others
    unreadable = number.cast(pl.String) + f" {unit} since 1970"
    return _text_of_times(values.zip_with(readable, values.clear(len(values))), source).zip_with(readable, unreadable)


def _text_of_times(values: pl.Series, source: SourceSettings) -> pl.Series:
    if not isinstance(values.dtype, pl.Datetime):
        return values.cast(pl.String)
    if values.dtype.time_zone is not None:
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + "Z" * (source.time_zone == "UTC"))
