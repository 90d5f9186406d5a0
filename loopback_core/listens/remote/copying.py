"""The rows of a remote log, copied into Parquet parts that the ingest reads like files of a log."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.log_columns import find_columns
from loopback_core.listens.remote.opening import open_remote
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_errors import drivers_errors
from loopback_core.listens.remote.row_digest import RowDigest
from loopback_core.listens.users_of_files import FROM_FILE
from loopback_core.runtime.progress import progress
from loopback_core.settings import SourceSettings

PART_ROWS = 4_000_000
ROW_GROUP_ROWS_OF_COPY = 1 << 18

YEARS_1_TO_9999 = (-62_135_596_800, 253_402_300_799)  # seconds since 1970
TICKS = {"ms": 10**3, "us": 10**6}  # nanoseconds of 64 bits do not leave these years


@dataclass(frozen=True)
class RemoteCopy:
    """What was read of a remote log."""

    name: str  # its address as it may be shown
    files: tuple[Path, ...]  # Parquet, with the columns that are needed under their own names
    digest: str  # of the rows, whatever their order: another one means other rows
    user: str | None = None  # who listened, where the rows do not say it


def copy_remote(address: RemoteAddress, source: SourceSettings, folder: Path, part_rows: int = PART_ROWS) -> RemoteCopy:
    """Copy what the ingest needs of a remote log into `folder`, batch by batch; only the needed columns travel.

    Raises:
        BadLogError: it is not there, is not what the address says, lacks a column, or has no row.
        DownloadError: it cannot be reached.
        SettingsError: the settings do not say what to read, or its library is not installed.
    """
    with ExitStack() as opened:
        with drivers_errors(address):
            remote = opened.enter_context(open_remote(address, source))
            found = remote.columns()
        wanted = find_columns(address.shown, found, source)
        user = None if "user_id" in wanted else _user_of_table(source, address)
        columns = list(dict.fromkeys(wanted.values()))
        digest = RowDigest(columns)
        batches = _counted(remote.batches(columns, wanted["timestamp"]), digest, address)
        files = tuple(_write_parts(batches, folder, part_rows))
    if not digest.rows:
        raise BadLogError(f"{address.shown} gives no row: correct source.query or source.table, or wait for listens.")
    return RemoteCopy(address.shown, files, digest.hexdigest(), user)


def _user_of_table(source: SourceSettings, address: RemoteAddress) -> str | None:
    if source.user == FROM_FILE:
        raise SettingsError(
            f"source.user = {FROM_FILE!r} names users after files, and {address.shown} is none: give a name, or map a column "
            "to user_id."
        )
    return source.user


def _counted(batches: Iterator[pl.DataFrame], digest: RowDigest, address: RemoteAddress) -> Iterator[pl.DataFrame]:
    """The batches; an error of the driver is not mistaken for one of the disk that they are written to."""
    with progress("copy listens") as shown:
        while True:
            with drivers_errors(address):
                batch = next(batches, None)
            if batch is None:
                return
            if nested := [name for name, dtype in batch.schema.items() if dtype.is_nested()]:
                kind = batch.schema[nested[0]]
                raise BadLogError(f"{address.shown}: the column {nested[0]!r} holds {kind}: make it text.")
            batch = _with_times_of_this_calendar(batch)
            digest.add(batch)
            shown.advance(batch.height)
            yield batch


def _with_times_of_this_calendar(batch: pl.DataFrame) -> pl.DataFrame:
    """Times outside of the years 1 to 9999 as missing, which is unreadable: PostgreSQL has 'infinity', no text has."""
    times = {
        name: dtype
        for name, dtype in batch.schema.items()
        if isinstance(dtype, pl.Datetime) and dtype.time_unit in TICKS
    }
    first, last = YEARS_1_TO_9999
    return batch.with_columns(
        pl.when(pl.col(name).to_physical().is_between(first * TICKS[dtype.time_unit], last * TICKS[dtype.time_unit]))
        .then(pl.col(name))
        .alias(name)
        for name, dtype in times.items()
    )


def _write_parts(batches: Iterator[pl.DataFrame], folder: Path, part_rows: int) -> Iterator[Path]:
    """A part ends when it is full, or when a column has another type: SQLite has types for values only."""
    writer: pq.ParquetWriter | None = None
    schema: pa.Schema | None = None
    rows = number = 0
    try:
        for batch in batches:
            table = batch.to_arrow()
            if writer is None or table.schema != schema or rows >= part_rows:
                if writer is not None:
                    writer.close()
                path, schema, rows = folder / f"listens-{number:05}.parquet", table.schema, 0
                writer = pq.ParquetWriter(path, schema, compression="zstd")
                number += 1
                yield path
            writer.write_table(table, ROW_GROUP_ROWS_OF_COPY)
            rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
