"""Yambda, the listens that Yandex Music published as Parquet (its page on Hugging Face describes the columns): ids only."""

import polars as pl
import pyarrow as pa

from loopback_core.listens.log_rules import RAW_SCHEMA, Reason
from loopback_core.settings import SourceSettings

USER, TIME, ITEM, SHARE, LENGTH = "uid", "timestamp", "item_id", "played_ratio_pct", "track_length_seconds"
EVENT, LISTENED = "event_type", "listen"  # in multi_event.parquet

YAMBDA_BEGIN = 946_684_800
"""2000-01-01, UTC, in seconds since 1970. Yambda counts seconds from a day that it does not say: this one is taken for it."""

FURTHEST = 7_000 * 366 * 86_400
"""Seconds from the start of the set, forwards and back: polars panics on times far beyond the calendar."""


def is_yambda(schema: pa.Schema) -> bool:
    """Whether a Parquet file holds single listens of Yambda, not lists of them."""
    names = {USER, TIME, ITEM, SHARE, LENGTH}
    return names <= set(schema.names) and all(
        pa.types.is_integer(schema.field(name).type) or pa.types.is_floating(schema.field(name).type) for name in names
    )


def yambda_columns(schema: pa.Schema) -> list[str]:
    """The columns that are read."""
    return [USER, TIME, ITEM, SHARE, LENGTH, *([EVENT] if EVENT in schema.names else [])]


def yambda_rows(batch: pa.RecordBatch, line: int, source: SourceSettings) -> pl.DataFrame:
    """Raw rows (RAW_SCHEMA), `line` that of the first.

    The ids serve as names. A track stands for its artist too, since artists lie in another file, whose bytes would not be
    part of the version of the log. Times are ISO 8601. Plays that are too short and, among other events, all that are no
    listens get a reason.
    """
    frame = pl.DataFrame(pa.Table.from_batches([batch]))
    seconds = pl.col(SHARE).cast(pl.Float64) / 100 * pl.col(LENGTH).cast(pl.Float64)
    other = (pl.col(EVENT).cast(pl.String) != LISTENED).fill_null(True) if EVENT in frame.columns else pl.lit(False)
    problem = (
        pl.when(other)
        .then(pl.lit(Reason.NOT_A_LISTEN.value))
        .when(seconds < source.least_seconds_played)
        .then(pl.lit(Reason.SHORT_PLAY.value))
    )
    time = pl.col(TIME).cast(pl.Int64, strict=False)
    moment = pl.from_epoch(pl.when(time.is_between(-FURTHEST, FURTHEST)).then(time) + YAMBDA_BEGIN, time_unit="s")
    nothing = pl.lit(None, pl.String)
    return frame.select(
        pl.int_range(line, line + frame.height, dtype=pl.UInt32).alias("line"),
        pl.col(USER).cast(pl.String).alias("user_id"),
        moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("timestamp"),
        nothing.alias("artist_mbid"),
        pl.col(ITEM).cast(pl.String).alias("artist_name"),
        nothing.alias("track_mbid"),
        pl.col(ITEM).cast(pl.String).alias("track_name"),
        problem.alias("problem"),
        pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="\t").alias("text"),
    ).select(RAW_SCHEMA.keys())
