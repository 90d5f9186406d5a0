"""What `raw_listens` publishes of the store of received listens, and how the ingest reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pandera.polars as pa
import polars as pl

from loopback_core.listens.lines import Advance
from loopback_core.listens.log_rules import FIRST_TIME
from loopback_core.listens.reading import read_rows
from loopback_core.settings import SourceSettings

SERVED_LISTENS, ERASED_USERS = "served_listens.parquet", "erased_users.parquet"


class ServedRow(pa.DataFrameModel):
    """A listen as the service received it; row n of the file is the n-th that was received."""

    user_id: pl.String = pa.Field(description="Who listened.")
    timestamp: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="When, as the client said.")
    artist_mbid: pl.String = pa.Field(nullable=True)
    artist_name: pl.String = pa.Field(description="Artist as it came.")
    track_mbid: pl.String = pa.Field(nullable=True)
    track_name: pl.String = pa.Field(description="Title as it came.")
    received_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(ge=FIRST_TIME, description="When the service got it.")

    class Config:
        """Exactly these columns."""

        strict = True


class ErasedUser(pa.DataFrameModel):
    """A user who asked to be erased."""

    user_id: pl.String = pa.Field(unique=True, description="Who, in normal form.")
    erased_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        description="What they listened to until then is left out."
    )

    class Config:
        """Exactly these columns."""

        strict = True


LATEST_OF_SERVED = pl.col("received_at") + pl.duration(days=1)
"""No listen is later than its reception; a day is added for clocks of every time zone."""


def read_served(
    path: Path, source: SourceSettings, advance: Advance, block_bytes: int, sha256: str | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of the export as those of any file of the log (RawRow), with a column `received_at` more.

    Raises:
        BadLogError: the file is missing, damaged or changed.
    """
    for rows in read_rows(path, as_exported(source), advance, block_bytes, sha256):
        received = pl.scan_parquet(path, glob=False).select("received_at").slice(rows["line"][0] - 1, rows.height)
        yield rows.with_columns(received.collect()["received_at"])


def as_exported(source: SourceSettings) -> SourceSettings:
    """The settings that say how the export is laid out: those about the files of the user do not hold of it."""
    return source.model_copy(update={"columns": {}, "user": None, "time_format": "iso", "time_zone": "UTC"})
