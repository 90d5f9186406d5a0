"""Logs with named columns, .csv and .parquet, as raw rows."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.lines import LONGEST_LINE, Advance, decode
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_rules import MOST_LINES, RAW_COLUMNS, RAW_SCHEMA, Reason
from loopback_core.settings import SourceSettings

ROW_BYTES = 512  # what a row of Python strings takes, roughly

OPTIONAL_COLUMNS = ("artist_mbid", "track_mbid")


def find_columns(path: Path, in_file: list[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Our column name -> the file's, for each of ours that the file has.

    Raises:
        SettingsError: the mapping names a column that is not one of ours.
        BadLogError: a column that is needed, or that the mapping names, is not in the file.
    """
    if unknown := set(mapping) - set(RAW_COLUMNS):
        raise SettingsError(
            f"source.columns: {', '.join(sorted(unknown))} is not one of our columns; they are {', '.join(RAW_COLUMNS)}."
        )
    columns = {ours: mapping.get(ours, ours) for ours in RAW_COLUMNS if ours in mapping or ours not in OPTIONAL_COLUMNS}
    columns |= {ours: ours for ours in OPTIONAL_COLUMNS if ours not in mapping and ours in in_file}
    if missing := [(ours, theirs) for ours, theirs in columns.items() if theirs not in in_file]:
        missing_names = ", ".join(ours if ours == theirs else f"{theirs!r} (for {ours})" for ours, theirs in missing)
        example = ", ".join(f'{ours} = "..."' for ours, _ in missing)
        raise BadLogError(
            f"{path} has no column {missing_names}; its columns are {', '.join(map(repr, in_file))}. Map the columns in the "
            f"settings file: [source] columns = {{ {example} }}."
        )
    return columns


def read_csv(
    path: Path, source: SourceSettings, block_bytes: int, advance: Advance, sha256: str | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a .csv with a header, in raw frames of `block_bytes`. Python's reader gives every row with its line.

    Raises:
        BadLogError: the file is missing, changed, or lacks a column.
    """
    advanced = size = 0
    with open_log(path, sha256) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        records = _csv_records(text, path)
        header = [_lossy(name).strip() for name in next(records, (1, [], ""))[1] or []]
        if not header:
            return
        columns = find_columns(path, header, source.columns)
        places = [header.index(columns[ours]) if ours in columns else None for ours in RAW_COLUMNS]
        batch: list[tuple[object, ...]] = []
        for line, record, raw in records:
            batch.append(_csv_row(line, record, raw, places, len(header)))
            size += ROW_BYTES + len(raw)
            if size >= block_bytes:
                yield pl.DataFrame(batch, RAW_SCHEMA, orient="row")
                batch, size = [], 0
                advance(file.tell() - advanced)
                advanced = file.tell()
        if batch:
            yield pl.DataFrame(batch, RAW_SCHEMA, orient="row")
            advance(file.tell() - advanced)


Record = tuple[int, list[str] | None, str]
"""The line at which a record starts, its fields (None: csv could not parse it), and its raw text."""


def _csv_records(text: io.TextIOWrapper, path: Path) -> Iterator[Record]:
    lines: list[str] = []

    def remembered() -> Iterator[str]:
        while line := text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise BadLogError(f"{path} has a line of over {LONGEST_LINE >> 20} MiB: it is not a listening log.")
            lines.append(line)
            yield line

    reader = csv.reader(remembered())
    blanks: list[Record] = []  # a blank line at the end of the file is not a row
    while True:
        start = reader.line_num + 1
        lines.clear()
        try:
            fields = next(reader, None)
        except csv.Error:  # a quote that never closes runs into csv's limit of a field
            yield start, None, "".join(lines)
            continue
        if fields is None:
            yield from blanks[:-1]
            return
        record = (start, fields, "".join(lines))
        if fields:
            yield from blanks
            blanks.clear()
            yield record
        else:
            blanks.append(record)


def _csv_row(
    line: int, record: list[str] | None, text: str, places: list[int | None], width: int
) -> tuple[object, ...]:
    text = text.rstrip("\r\n")
    nothing = (None,) * len(places)
    if not _decodable(text):
        return (line, *nothing, Reason.UNDECODABLE_BYTES.value, _lossy(text))
    if record is None or len(record) != width:
        return (line, *nothing, Reason.WRONG_FIELD_COUNT.value, text)
    return (line, *(None if place is None else record[place] for place in places), None, text)


def _decodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lossy(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_parquet(
    path: Path, source: SourceSettings, block_bytes: int, advance: Advance, sha256: str | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a .parquet in raw frames of about `block_bytes`; `line` is the row, from 1.

    Times may be datetimes (without a zone: UTC), dates, ISO 8601 text, or numbers where the settings say so. The file
    is not read in its order: it is digested at the end, and must not have been touched in between.

    Raises:
        BadLogError: the file is missing, damaged, changed, lacks a column, or has one of a wrong type.
    """
    with open_log(path, sha256) as file:
        try:
            yield from _parquet_batches(path, source, max(block_bytes // ROW_BYTES, 1), advance)
        except (pa.ArrowException, OSError) as error:
            raise BadLogError(f"{path} is not a readable Parquet file ({error}): write it again.") from None
        file.raw.refuse_changed()


def _parquet_batches(path: Path, source: SourceSettings, batch_rows: int, advance: Advance) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        columns = find_columns(path, file.schema_arrow.names, source.columns)
        if file.metadata.num_rows > MOST_LINES:
            raise BadLogError(f"{path} has more than {MOST_LINES:,} rows: split it into several files.")
        share = path.stat().st_size / max(file.metadata.num_rows, 1)
        line = 1
        for batch in file.iter_batches(batch_rows, columns=list(columns.values())):
            yield _parquet_rows(batch, columns, line, path, source)
            line += batch.num_rows
            advance(int(share * batch.num_rows))


def _parquet_rows(
    batch: pa.RecordBatch, columns: dict[str, str], line: int, path: Path, source: SourceSettings
) -> pl.DataFrame:
    fields: dict[str, pl.Series] = {}
    undecodable = pl.Series(values=[False]).new_from_index(0, batch.num_rows)
    for ours in RAW_COLUMNS:
        if ours not in columns:
            fields[ours] = pl.Series(values=[None], dtype=pl.String).new_from_index(0, batch.num_rows)
            continue
        column = batch.column(columns[ours])
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.large_binary())  # Parquet does not promise that its text is UTF-8
        values = pl.Series(column)
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


def _times_as_text(values: pl.Series, path: Path, name: str, source: SourceSettings) -> pl.Series:
    is_time = isinstance(values.dtype, (pl.Datetime, pl.Date))
    if not (is_time or values.dtype.is_numeric() or values.dtype == pl.Null):
        raise BadLogError(f"{path}: the time column {name!r} holds {values.dtype}: make it a datetime or text.")
    if is_time and source.time_format == "epoch_seconds":
        raise BadLogError(
            f"{path}: the time column {name!r} holds {values.dtype}, not epoch seconds: remove [source] time_format."
        )
    if values.dtype.is_numeric() and source.time_format == "iso":
        raise BadLogError(
            f"{path}: the time column {name!r} holds numbers; if they are seconds since 1970, set "
            '[source] time_format = "epoch_seconds".'
        )
    if not isinstance(values.dtype, pl.Datetime):
        return values.cast(pl.String)
    if values.dtype.time_zone is not None:
        values = values.dt.convert_time_zone("UTC")
    return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
