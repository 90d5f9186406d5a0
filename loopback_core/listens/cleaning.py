"""Raw rows to clean ones: names in normal form, times in UTC, and a reason for each row that cannot be used."""

from datetime import UTC, datetime

import polars as pl

from loopback_core.listens.log_rules import FIRST_TIME, LAST_TIME, Reason, normal_form
from loopback_core.listens.time_forms import parse_times
from loopback_core.settings import SourceSettings

NAMES = ("user_id", "artist_name", "track_name")
MBIDS = ("artist_mbid", "track_mbid")


def clean(raw: pl.DataFrame, source: SourceSettings, latest: datetime | pl.Expr) -> pl.DataFrame:
    """The rows of `raw` (RawRow) with clean values and a column `reason`: null, or the first Reason that holds.

    Listens before `source.earliest` or after `latest`, for all or of each row, are implausible. The column `problem` goes, all others stay.
    """
    earliest = max(_utc(source.earliest), FIRST_TIME)
    last = latest if isinstance(latest, pl.Expr) else pl.lit(min(_utc(latest), LAST_TIME))
    time = pl.col("timestamp")
    return (
        raw.with_columns(
            parse_times(raw["timestamp"], source.time_format, source.time_zone),
            *(normal_form(raw[name]) for name in NAMES),
            *(_blank_to_null(pl.col(mbid).str.strip_chars()) for mbid in MBIDS),
        )
        .with_columns(
            pl.when(pl.col("problem").is_not_null())
            .then("problem")
            .when(_is_blank("user_id"))
            .then(pl.lit(Reason.MISSING_USER.value))
            .when(_is_blank("artist_name"))
            .then(pl.lit(Reason.MISSING_ARTIST.value))
            .when(_is_blank("track_name"))
            .then(pl.lit(Reason.MISSING_TITLE.value))
            .when(time.is_null())
            .then(pl.lit(Reason.UNREADABLE_TIMESTAMP.value))
            .when((time < earliest) | (time > last) | (time >= LAST_TIME))
            .then(pl.lit(Reason.IMPLAUSIBLE_DATE.value))
            .alias("reason")
        )
        .drop("problem")
    )


def _is_blank(name: str) -> pl.Expr:
    return pl.col(name).fill_null("") == ""


def _blank_to_null(column: pl.Expr) -> pl.Expr:
    return pl.when(column != "").then(column)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
