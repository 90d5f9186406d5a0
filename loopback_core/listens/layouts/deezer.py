"""The workbook that Deezer sends as the data of an account."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.layouts.workbook_process import MEMORY, WorkbookError, read_sheet
from loopback_core.listens.log_rules import RAW_SCHEMA, Reason

SHEET = "10_listeningHistory"
TITLE, ARTIST, SECONDS, TIME = "Song Title", "Artist", "Listening Time", "Date"
LARGEST_WORKBOOK = 1 << 28  # bytes; a workbook can only be read whole
ROW_MEMORY = 512  # bytes of a row in memory, roughly
COPIED_AT_ONCE = 1 << 20  # bytes


class DeezerWorkbook(Layout):
    """`deezer-data_*.xlsx`, sheet `10_listeningHistory`: Song Title, Artist, Listening Time in seconds, Date in UTC, and more.

    Several artists of one song are one name, as Deezer writes them.
    """

    name = "Deezer data"
    time_format = "iso"
    has_users = False

    def recognises(self, head: Head) -> bool:
        """Any Excel workbook: which sheets it has is only known at its end."""
        return head.content.startswith(b"PK\x03\x04") and head.name.lower().endswith(".xlsx")

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`. `line` is the row of the sheet.

        Raises:
            BadLogError: it is damaged, too large, or has no such sheet or column.
        """
        with TemporaryDirectory() as folder, pq.ParquetFile(_history(stream, file, Path(folder))) as table:
            line = file.first_line + 1
            for sheet in table.iter_batches(max(block_bytes // ROW_MEMORY, 1)):
                yield _rows(pl.DataFrame(pa.Table.from_batches([sheet])), line, file.source.least_seconds_played)
                line += sheet.num_rows


def _rows(sheet: pl.DataFrame, line: int, least_seconds: float) -> pl.DataFrame:
    """Rows of the sheet, which are text, as raw rows; `line` is that of the first."""
    seconds = pl.col(SECONDS) if SECONDS in sheet.columns else pl.lit(None, pl.String)
    short = seconds.cast(pl.Float64, strict=False) < least_seconds
    nothing = pl.lit(None, pl.String)
    return sheet.select(
        pl.int_range(line, line + sheet.height, dtype=pl.UInt32).alias("line"),
        nothing.alias("user_id"),
        pl.col(TIME).alias("timestamp"),
        nothing.alias("artist_mbid"),
        pl.col(ARTIST).alias("artist_name"),
        nothing.alias("track_mbid"),
        pl.col(TITLE).alias("track_name"),
        pl.when(short.fill_null(False)).then(pl.lit(Reason.SHORT_PLAY.value)).alias("problem"),
        pl.concat_str(pl.all().fill_null(""), separator="\t").alias("text"),
    ).select(RAW_SCHEMA.keys())


def _history(stream: IO[bytes], file: LayoutFile, folder: Path) -> Path:
    """The sheet as a Parquet file in `folder`."""
    workbook, table = folder / "workbook.xlsx", folder / "sheet.parquet"
    with workbook.open("wb") as copy:
        while block := stream.read(COPIED_AT_ONCE):
            copy.write(block)
            if copy.tell() > LARGEST_WORKBOOK:
                raise BadLogError(
                    f"{file.path} is a workbook of over {LARGEST_WORKBOOK >> 20} MiB: save the sheet {SHEET} as .csv."
                )
    try:
        others = read_sheet(workbook, SHEET, table)
    except WorkbookError as error:
        if not str(error):
            raise BadLogError(
                f"{file.path} is a workbook that takes over {MEMORY >> 30} GiB of memory to read: it is damaged, or has cells "
                f"far off its table. Save the sheet {SHEET} as .csv."
            ) from None
        raise BadLogError(f"{file.path} is not a readable workbook ({error}): export it again.") from None
    if others is not None:
        raise BadLogError(
            f"{file.path} is a workbook without the sheet {SHEET} of Deezer's data; it has "
            f"{', '.join(others) or 'none'}. Save the sheet with the listens as .csv."
        )
    columns = pq.read_schema(table).names
    if missing := [name for name in (TITLE, ARTIST, TIME) if name not in columns]:
        raise BadLogError(f"{file.path}: the sheet {SHEET} has no column {', '.join(missing)}: export the data again.")
    return table
