"""Raw rows to clean ones: names in normal form, times in UTC, and a reason for each row that cannot be used."""

from datetime import UTC, datetime
from typing import Literal

import polars as pl

from loopback_core.listens.log_rules import FIRST_TIME, LAST_TIME, Reason, normal_form
from loopback_core.settings import SourceSettings

NAMES = ("user_id", "artist_name", "track_name")
MBIDS = ("artist_mbid", "track_mbid")

ISO_8601 = (
    r"^(?<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?<clock>\d\d:\d\d)(?<seconds>:\d\d)?(?<fraction>\.\d{1,9})? ?(?<zone>Z|[+-]\d\d(?::?\d\d)?)?)?$"
)


def clean(raw: pl.DataFrame, source: SourceSettings, latest: datetime | pl.Expr) -> pl.DataFrame:
    """The rows of `raw` (RawRow) with clean values and a column `reason`: null, or the first Reason that holds.

    Listens before `source.earliest` or after `latest`, for all or of each row, are implausible. The column `problem` goes, all others stay.
    """
    earliest = max(_utc(source.earliest), FIRST_TIME)
    last = latest if isinstance(latest, pl.Expr) else pl.lit(min(_utc(latest), LAST_TIME))
    time = pl.col("timestamp")
    return (
        raw.with_columns(
            parse_times(raw["timestamp"], source.time_format),
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


def parse_times(texts: pl.Series, time_format: Literal["iso", "epoch_seconds"]) -> pl.Series:
    """Texts as UTC datetimes in microseconds, null where they cannot be read.

    iso: ISO 8601, "T" or a space before the clock, with or without seconds, fraction and offset; no offset means UTC,
    no clock midnight. epoch_seconds: seconds since 1970-01-01 UTC, with or without a fraction.
    """
    texts = texts.str.strip_chars()
    if time_format == "epoch_seconds":
        microseconds = (texts.cast(pl.Float64, strict=False) * 1e6).round()
        return microseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("us", "UTC"))
    times = texts.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False)
    others = (times.is_null() & texts.is_not_null()).arg_true()
    if len(others):  # a regular expression for all would take five times as long
        times = times.scatter(others, _parse_any_iso(texts.gather(others)))
    return times


def _parse_any_iso(texts: pl.Series) -> pl.Series:
    parts = texts.str.extract_groups(ISO_8601).struct.unnest()
    whole = pl.concat_str(
        "date",
        pl.lit("T"),
        pl.col("clock").fill_null("00:00"),
        pl.col("seconds").fill_null(":00"),
        pl.col("fraction").fill_null(""),
        pl.col("zone").fill_null("Z"),
    )
    times = whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return parts.select(times.alias("timestamp"))["timestamp"]


def _is_blank(name: str) -> pl.Expr:
    return pl.col(name).fill_null("") == ""


def _blank_to_null(column: pl.Expr) -> pl.Expr:
    return pl.when(column != "").then(column)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
