"""The forms in which a log may give times: reading them, and telling which one a text has."""

import re
from collections.abc import Iterable

import polars as pl

from loopback_core.errors import SettingsError

ISO_8601 = (
    r"^(?<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?<clock>\d\d:\d\d)(?<seconds>:\d\d)?(?<fraction>\.\d{1,9})?"
    r" ?(?<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?$"
)

EPOCHS = {"epoch_seconds": 1e6, "epoch_milliseconds": 1e3}
"""Time formats that count from 1970-01-01 UTC, with the microseconds of their unit."""

_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "[0-9]{4}"
_SHORT_NAME = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_LONG_NAME = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"

_DATES = (
    ("%d %b %Y", f"{_DAY} {_SHORT_NAME} {_YEAR}"),
    ("%d %B %Y", f"{_DAY} {_LONG_NAME} {_YEAR}"),
    ("%b %d, %Y", f"{_SHORT_NAME} {_DAY}, {_YEAR}"),
    ("%B %d, %Y", f"{_LONG_NAME} {_DAY}, {_YEAR}"),
    ("%d.%m.%Y", rf"{_DAY}\.{_MONTH}\.{_YEAR}"),
    ("%Y/%m/%d", f"{_YEAR}/{_MONTH}/{_DAY}"),
    ("%m/%d/%Y", f"{_MONTH}/{_DAY}/{_YEAR}"),
    ("%d/%m/%Y", f"{_DAY}/{_MONTH}/{_YEAR}"),
    ("%d-%m-%Y", f"{_DAY}-{_MONTH}-{_YEAR}"),
    ("%Y-%m-%d", f"{_YEAR}-{_MONTH}-{_DAY}"),
)
_HOUR, _HOUR_OF_12, _SIXTY = "(?:[01]?[0-9]|2[0-3])", "(?:0?[1-9]|1[0-2])", "[0-5][0-9]"
_CLOCKS = (
    ("%H:%M:%S", f"{_HOUR}:{_SIXTY}:{_SIXTY}"),
    ("%H:%M", f"{_HOUR}:{_SIXTY}"),
    ("%I:%M:%S %p", f"{_HOUR_OF_12}:{_SIXTY}:{_SIXTY} [AaPp][Mm]"),
    ("%I:%M %p", f"{_HOUR_OF_12}:{_SIXTY} [AaPp][Mm]"),
    ("%I:%M%p", f"{_HOUR_OF_12}:{_SIXTY}[AaPp][Mm]"),
)
_BETWEEN = (" ", ", ", " at ")

_LOOKS = (
    ("iso", re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")),
    ("epoch_seconds", re.compile(r"\d{9,10}(\.\d+)?")),
    ("epoch_milliseconds", re.compile(r"\d{12,13}(\.\d+)?")),
    *(
        (date + between + clock, re.compile(date_look + between + clock_look))
        for date, date_look in _DATES
        for between in _BETWEEN
        for clock, clock_look in _CLOCKS
    ),
    *((date, re.compile(look)) for date, look in _DATES),
    (
        "%a, %d %b %Y %H:%M:%S %Z",
        re.compile(f"[A-Z][a-z][a-z], {_DAY} {_SHORT_NAME} {_YEAR} {_HOUR}:{_SIXTY}:{_SIXTY} (?:GMT|UTC)"),
    ),
)
"""The forms that are known, the likelier first: where a date reads both ways, the month is taken to come first."""

_MONTH_FIRST, _DAY_FIRST = "%m/%d/", "%d/%m/"


def parse_times(texts: pl.Series, time_format: str, time_zone: str = "UTC") -> pl.Series:
    """Texts as UTC datetimes in microseconds, null where they cannot be read.

    iso: ISO 8601, "T" or a space before the clock, with or without seconds, fraction and offset (also the words UTC and
    GMT); no clock means midnight. epoch_seconds, epoch_milliseconds: since 1970-01-01 UTC, with or without a fraction.
    Anything else is a pattern of strptime, where %Z is UTC or GMT: no other name says which hour is meant. Times without an offset are of `time_zone`: those that a change of the clock
    leaves out cannot be read, of those that it repeats the first is meant.

    Raises:
        SettingsError: the pattern cannot be used.
    """
    texts = texts.str.strip_chars()
    if time_format in EPOCHS:
        microseconds = (texts.cast(pl.Float64, strict=False) * EPOCHS[time_format]).round()
        return microseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("us", "UTC"))
    if time_format != "iso":
        return _by_pattern(texts, time_format, time_zone)
    times = texts.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False)
    others = (times.is_null() & texts.is_not_null()).arg_true()
    if len(others):  # a regular expression for all would take five times as long
        times = times.scatter(others, _parse_any_iso(texts.gather(others), time_zone))
    return times


def _parse_any_iso(texts: pl.Series, time_zone: str) -> pl.Series:
    parts = texts.str.extract_groups(ISO_8601).struct.unnest()
    zone = pl.col("zone").replace(["UTC", "GMT"], ["Z", "Z"])
    whole = pl.concat_str(
        "date",
        pl.lit("T"),
        pl.col("clock").fill_null("00:00"),
        pl.col("seconds").fill_null(":00"),
        pl.col("fraction").fill_null(""),
        zone.fill_null("Z"),
    )
    times = whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    if time_zone == "UTC":
        return parts.select(times.alias("timestamp"))["timestamp"]
    read = parts.select(times.alias("timestamp"), local=pl.col("zone").is_null())
    local = _in_utc(read["timestamp"].dt.replace_time_zone(None), time_zone)
    return read.select(pl.when("local").then(local).otherwise("timestamp").alias("timestamp"))["timestamp"]


def _by_pattern(texts: pl.Series, pattern: str, time_zone: str) -> pl.Series:
    ours = pattern.replace(".%f", "%.f")  # "%f" of polars counts nanoseconds
    with_offset = "%z" in pattern or "%Z" in pattern
    if "%Z" in ours:  # polars would pass over any name of a zone as if it were UTC
        texts, ours = texts.str.replace_all(r"\b(?:UTC|GMT)\b", "+0000"), ours.replace("%Z", "%z")
    if not any(code in ours for code in ("%H", "%I", "%T", "%R", "%X", "%c")):  # a date means midnight
        texts, ours = texts + " 00:00", ours + " %H:%M"
    try:
        times = texts.str.to_datetime(ours, time_unit="us", strict=False, time_zone="UTC" if with_offset else None)
    except pl.exceptions.PolarsError as error:
        raise SettingsError(f"source.time_format = {pattern!r} cannot be used ({error}): write it otherwise.") from None
    return times if with_offset else _in_utc(times, time_zone)


def _in_utc(local: pl.Series, time_zone: str) -> pl.Series:
    zoned = local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def looks_like_time(text: str) -> bool:
    """Whether a text has one of the known forms of a time."""
    return form_of([text]) is not None


def form_of(texts: Iterable[str]) -> str | None:
    """The value of `source.time_format` that reads the most of these times, and more than half; None: no such is known."""
    stripped = [text.strip() for text in texts]
    fitting = {form: sum(look.fullmatch(text) is not None for text in stripped) for form, look in _LOOKS}
    form = max(fitting, key=lambda one: fitting[one])
    return form if 2 * fitting[form] > len(stripped) else None


def month_first(form: str) -> str | None:
    """A form with the day first with the month first instead; None: it has not the day first."""
    return _MONTH_FIRST + form.removeprefix(_DAY_FIRST) if form.startswith(_DAY_FIRST) else None


def day_first(form: str | None, texts: Iterable[str]) -> str | None:
    """The form with the day first that reads these times as well as `form`, which has the month first; None: it does not."""
    if form is None or not form.startswith(_MONTH_FIRST):
        return None
    other = _DAY_FIRST + form.removeprefix(_MONTH_FIRST)
    look = dict(_LOOKS)[other]
    return other if all(look.fullmatch(text.strip()) for text in texts) else None
