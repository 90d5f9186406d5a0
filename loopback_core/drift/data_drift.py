"""What changed in the log since that of the bundle in service."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from loopback_core.drift.drift_json import DataDriftJson, RejectsJson, SeriesJson, StatisticJson, WeeksJson
from loopback_core.drift.rewritten_past import not_compared, rewritten_past
from loopback_core.drift.statistic import STATISTICS, ByWeek, ComparedBy, Statistic
from loopback_core.drift.week_limits import (
    LEAST_PAST_WEEKS,
    LEAST_TREND_WEEKS,
    TREND_WEEKS,
    Calibration,
    limits_of_weeks,
)
from loopback_core.drift.week_reading import WEEK, WeeksOfLog, read_weeks
from loopback_core.drift.weekly_statistics import BEFORE, weekly_statistics
from loopback_core.listens.log_rules import BLAMELESS
from loopback_core.settings import DriftSettings

MOST_NEW_WEEKS = 8
"""Of more new weeks the last ones are judged, each against all before it."""

NOBODY = pl.Series("user_id", [], pl.String)

NO_OTHER_LOG = (
    "There is no log of a bundle in service to compare the past with: nothing is in service, or its log is gone."
)


def data_drift(
    today: Path,
    champion: Path | None,
    since: int,
    settings: DriftSettings,
    erased: pl.Series = NOBODY,
    own_calendars: bool = False,
) -> DataDriftJson:
    """Compare the log with its own past, and with the log of the bundle in service.

    today, champion: folders with `interactions.parquet`, `rejects.parquet` and perhaps `profiles.parquet`; champion: None where
    it is gone, or nothing is in service. since: from this second, since 1970-01-01 UTC, the log is new. erased: ids of users who
    were erased on purpose. own_calendars: whether the log was cut user by user, so that its weeks mean nothing.

    Raises:
        RoomError: the log is too long for the memory.
    """
    past = (
        rewritten_past(today, champion, since, settings.least_same_past, erased)
        if champion
        else not_compared(NO_OTHER_LOG)
    )
    return {
        "weeks": _weeks(today, since, settings, own_calendars),
        "past": past,
        "rejects": _rejects(today, champion, settings.most_rejected),
    }


def _weeks(today: Path, since: int, settings: DriftSettings, own_calendars: bool) -> WeeksJson:
    log = read_weeks(today, settings.past_weeks + MOST_NEW_WEEKS + TREND_WEEKS + BEFORE)
    new = min(max(1, -(-(_end(log) - 1 - since) // WEEK)), MOST_NEW_WEEKS)
    if own_calendars:
        return _not_calibrated("The log was cut user by user: its weeks are not compared.")
    if log.times_are_invented:
        return _not_calibrated(
            "Most listens follow the one before after the same time: the times are made up, and no weeks compared."
        )
    if log.n_weeks < BEFORE + LEAST_TREND_WEEKS + LEAST_PAST_WEEKS:
        return _not_calibrated(
            f"The log has {log.n_weeks} whole weeks: limits need at least {BEFORE + LEAST_TREND_WEEKS + LEAST_PAST_WEEKS} of them "
            "before the new ones."
        )
    table = weekly_statistics(log, today / "profiles.parquet")
    calibration = limits_of_weeks(table, new, settings.past_weeks, settings.false_alarms)
    calibrated = calibration.threshold is not None
    sentence = (
        f"The limits come from {calibration.past_weeks} past weeks."
        if calibrated
        else f"Only {calibration.past_weeks} past weeks can be compared with those before them; limits need {LEAST_PAST_WEEKS}."
    )
    return {
        "calibrated": calibrated,
        "sentence": sentence,
        "new_weeks": new,
        "past_weeks": calibration.past_weeks,
        "threshold": calibration.threshold,
        "statistics": [_statistic(statistic, table, calibration, new) for statistic in STATISTICS],
        "starts": table["start"].to_list(),
        "largest": _plain_list(calibration.largest),
        "series": {one.name: _series(one.name, table, calibration) for one in STATISTICS},
    }


def _end(log: WeeksOfLog) -> int:
    """The first second after the log."""
    return log.starts[-1] + WEEK if log.starts else 0


def _not_calibrated(sentence: str) -> WeeksJson:
    return {
        "calibrated": False,
        "sentence": sentence,
        "new_weeks": 0,
        "past_weeks": 0,
        "threshold": None,
        "statistics": [],
        "starts": [],
        "largest": [],
        "series": {},
    }


def _statistic(statistic: Statistic, table: pl.DataFrame, calibration: Calibration, new: int) -> StatisticJson:
    """In the new week of the largest score, the last one where none has a score."""
    name = statistic.name
    scores = calibration.scores[name][-new:]
    week = len(table) - new + (int(np.nanargmax(scores)) if not np.isnan(scores).all() else new - 1)
    value, start = _number(table[name].to_numpy()[week]), int(table["start"][week])
    lower, upper, expected = (
        _number(of[name][week]) for of in (calibration.lower, calibration.upper, calibration.expected)
    )
    threshold = calibration.threshold
    alarm = threshold is not None and bool(calibration.scores[name][week] > threshold)
    said = f"In the week from {datetime.fromtimestamp(start, UTC):%Y-%m-%d} {statistic.says} is {_shown(value, statistic.scale)}"
    if value is not None and upper is not None:
        limits = f"{_shown(lower, statistic.scale)} to " if lower is not None else "at most "
        said += f"; the weeks before lead to expect {limits}{_shown(upper, statistic.scale)}"
    return {
        "name": name,
        "week": start,
        "value": value,
        "expected": expected,
        "lower": lower,
        "upper": upper,
        "alarm": alarm,
        "sentence": f"{said}.",
    }


def _shown(value: float | None, scale: ComparedBy) -> str:
    if value is None:
        return "not known"
    match scale:
        case "count":
            return f"{value:,.0f}"
        case "share":
            return f"{value:.2%}"
        case "stability":
            return f"{value:.3f}"
        case "hours":
            return f"{value:+.1f}"


def _series(name: str, table: pl.DataFrame, calibration: Calibration) -> SeriesJson:
    return {
        "value": _plain_list(table[name].to_numpy()),
        "expected": _plain_list(calibration.expected[name]),
        "lower": _plain_list(calibration.lower[name]),
        "upper": _plain_list(calibration.upper[name]),
    }


def _plain_list(values: ByWeek) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _rejects(today: Path, champion: Path | None, limit: float) -> RejectsJson:
    rejects: RejectsJson = {
        "rows": 0,
        "rejected": 0,
        "share": None,
        "limit": limit,
        "alarm": False,
        "sentence": "How many of the new rows were rejected is not known: there is no log to subtract.",
    }
    if champion is None:
        return rejects
    (kept, bad), (kept_before, bad_before) = (_rows(folder) for folder in (today, champion))
    rejected = bad - bad_before
    rows = kept - kept_before + rejected
    if rows <= 0:
        return {**rejects, "sentence": "The log has no more rows than that of the bundle in service."}
    share = min(max(rejected, 0) / rows, 1.0)
    sentence = (
        f"Of {rows:,} rows that came since the bundle in service {share:.2%} were rejected; the limit is {limit:.2%}."
    )
    return {**rejects, "rows": rows, "rejected": rejected, "share": share, "alarm": share > limit, "sentence": sentence}


def _rows(folder: Path) -> tuple[int, int]:
    """How many rows were kept, and how many were rejected for a reason that tells something bad."""
    rejects = pl.scan_parquet(folder / "rejects.parquet", glob=False).filter(~pl.col("reason").is_in(BLAMELESS))
    bad = rejects.select(pl.len()).collect(engine="streaming").item()
    return pq.read_metadata(folder / "interactions.parquet").num_rows, bad
