"""The workbook that Deezer sends as the data of an account."""

from collections.abc import Iterator
from typing import IO

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.log_rules import RAW_SCHEMA, Reason

SHEET = "10_listeningHistory"
TITLE, ARTIST, SECONDS, TIME = "Song Title", "Artist", "Listening Time", "Date"
LARGEST_WORKBOOK = 1 << 28  # bytes; a workbook can only be read whole


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
        sheet = _history(stream, file)
        if missing := [name for name in (TITLE, ARTIST, TIME) if name not in sheet.columns]:
            raise BadLogError(
                f"{file.path}: the sheet {SHEET} has no column {', '.join(missing)}: export the data again."
            )
        seconds = sheet[SECONDS] if SECONDS in sheet.columns else pl.Series([None], dtype=pl.String)
        short = seconds.cast(pl.Float64, strict=False) < file.source.least_seconds_played
        nothing = pl.lit(None, pl.String)
        rows = sheet.with_row_index("line", file.first_line + 1).select(
            pl.col("line").cast(pl.UInt32),
            nothing.alias("user_id"),
            pl.col(TIME).alias("timestamp"),
            nothing.alias("artist_mbid"),
            pl.col(ARTIST).alias("artist_name"),
            nothing.alias("track_mbid"),
            pl.col(TITLE).alias("track_name"),
            pl.when(pl.lit(short).fill_null(False)).then(pl.lit(Reason.SHORT_PLAY.value)).alias("problem"),
            pl.concat_str(pl.col(sheet.columns).fill_null(""), separator="\t").alias("text"),
        )
        yield from rows.select(RAW_SCHEMA.keys()).iter_slices(max(block_bytes // 512, 1))


def _history(stream: IO[bytes], file: LayoutFile) -> pl.DataFrame:
    """The sheet as text."""
    import fastexcel

    content = stream.read(LARGEST_WORKBOOK + 1)
    if len(content) > LARGEST_WORKBOOK:
        raise BadLogError(
            f"{file.path} is a workbook of over {LARGEST_WORKBOOK >> 20} MiB: save the sheet {SHEET} as .csv."
        )
    try:
        reader = fastexcel.read_excel(content)
        if SHEET not in reader.sheet_names:
            raise BadLogError(
                f"{file.path} is a workbook without the sheet {SHEET} of Deezer's data; it has "
                f"{', '.join(reader.sheet_names)}. Save the sheet with the listens as .csv."
            )
        return reader.load_sheet(SHEET, dtypes="string", skip_whitespace_tail_rows=True).to_polars()
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        raise BadLogError(f"{file.path} is not a readable workbook ({reason}): export it again.") from None
