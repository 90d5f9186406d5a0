"""Limits of what is ordinary, from the log's own past.

Each statistic of a week is compared with what the weeks before it lead to expect (a robust line through them, since logs grow).
Its error is divided by the error that its sample alone would make, and by how much larger past errors were: so the errors
of all statistics are on one scale, and the largest of a week is one number. A week raises an alarm where that number is above
nearly all of those of past weeks. So the share of false alarms holds for all statistics together.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import t as student

from loopback_core.drift.statistic import STATISTICS, ByWeek, ComparedBy, Statistic

TREND_WEEKS = 13
"""Weeks before a week through which the line is laid: a quarter of a year."""

LEAST_TREND_WEEKS = 4

LEAST_PAST_WEEKS = 8
"""Past weeks with an error, below which nothing is calibrated."""

CAUTION = 2
"""The next week is less like the past ones than these are like each other: logs change. Limits that past weeks pass at a rate
are passed by the next one at up to twice that rate (benchmarks/drift.py)."""

UNSURE = {"stability": 0.1, "hours": 0.1}
"""The least error that is expected of these: a tenth of the index, and six minutes."""

STANDS_OUT = 5
"""Robust standard deviations by which a past week stands out of the others, and says nothing of what is ordinary: a fault that stayed
in the log would hide the next one."""

LEAST_SPREAD_OF_WEEKS = 0.1
"""Of these logarithms: a tenth of a score."""

SMALLEST_LOG_COUNT = math.log(0.5)
"""That of no listen: a line that comes out of weeks without any leads below it."""

SMALLEST_INDEX = 1e-3
"""Indices below it are no different."""


@dataclass(frozen=True)
class Calibration:
    """The last weeks of a log against their limits; all arrays are (weeks,), NaN where nothing can be said."""

    threshold: float | None  # of the largest score of a week; None: too few past weeks
    past_weeks: int  # those that it comes from, with those that stand out
    largest: ByWeek  # the largest score of each week
    expected: dict[str, ByWeek]  # by statistic
    lower: dict[str, ByWeek]
    upper: dict[str, ByWeek]
    scores: dict[str, ByWeek]


def limits_of_weeks(table: pl.DataFrame, new_weeks: int, past_weeks: int, false_alarms: float) -> Calibration:
    """The last new_weeks rows of a table of weeks against the past_weeks before them.

    false_alarms: the share of runs that may raise one although nothing changed.
    """
    weeks = len(table)
    past = slice(max(0, weeks - new_weeks - past_weeks), weeks - new_weeks)
    errors = {statistic: _Errors.of(table, statistic, past) for statistic in STATISTICS}
    scores = {statistic.name: error.scores(statistic) for statistic, error in errors.items()}
    largest = _largest(list(scores.values()))
    of_past = largest[past][~np.isnan(largest[past])]
    threshold = None
    if len(of_past) >= LEAST_PAST_WEEKS:
        threshold = threshold_of(ordinary(of_past), (1 - false_alarms / CAUTION) ** (1 / new_weeks))
    limits = {statistic: error.limits(statistic, threshold) for statistic, error in errors.items()}
    return Calibration(
        threshold,
        len(of_past),
        largest,
        {statistic.name: _plain(error.expected, statistic.scale) for statistic, error in errors.items()},
        {statistic.name: lower for statistic, (lower, _) in limits.items()},
        {statistic.name: upper for statistic, (_, upper) in limits.items()},
        scores,
    )


def ordinary(largest: ByWeek) -> ByWeek:
    """Without the weeks that stand out, on the scale of the logarithm of one more than each.

    All of them where more than one in twenty stand out: then such weeks are a part of what the log is. largest: (weeks,) of past
    weeks, one at least.
    """
    logarithms = np.log1p(largest)
    middle = np.median(logarithms)
    spread = max(1.4826 * float(np.median(np.abs(logarithms - middle))), LEAST_SPREAD_OF_WEEKS)
    is_ordinary = logarithms <= middle + STANDS_OUT * spread
    return largest[is_ordinary] if (~is_ordinary).sum() <= max(1, len(largest) // 20) else largest


def threshold_of(largest: ByWeek, quiet: float) -> float:
    """What the largest score of one more week is below with probability `quiet`. largest: (weeks,) those of past weeks.

    The larger of two: the quantile of the past weeks themselves, as a bootstrap over them has it in the limit of many draws and
    corrected for their number (the new week is one more of the same kind); and that of a normal distribution through the
    logarithms of one more than each, with the error of its two parameters, which also says something where the past is short.
    """
    n = len(largest)
    place = min(math.ceil(quiet * (n + 1)), n)
    logarithms = np.log1p(largest)
    spread = float(np.std(logarithms, ddof=1)) * math.sqrt(1 + 1 / n)
    of_normal = math.expm1(float(np.mean(logarithms)) + float(student.ppf(quiet, n - 1)) * spread)
    return max(float(np.sort(largest)[place - 1]), of_normal)


def expected_of(values: ByWeek) -> ByWeek:
    """What the weeks before lead to expect of each week, (weeks,): the line of Theil and Sen through the last TREND_WEEKS.

    Half of them may be anything. NaN with fewer than LEAST_TREND_WEEKS values. values: (weeks,), NaN where there is none.
    """
    padded = np.concatenate([np.full(TREND_WEEKS, np.nan), values])
    before = np.lib.stride_tricks.sliding_window_view(padded, TREND_WEEKS)[
        : len(values)
    ]  # row w: the weeks before week w
    enough = (~np.isnan(before)).sum(axis=1) >= LEAST_TREND_WEEKS
    first, second = np.triu_indices(TREND_WEEKS, 1)
    slopes = (before[enough][:, second] - before[enough][:, first]) / (second - first)
    slope = np.nanmedian(slopes, axis=1, keepdims=True)
    expected = np.full(len(values), np.nan)
    expected[enough] = np.nanmedian(before[enough] + slope * np.arange(TREND_WEEKS, 0, -1), axis=1)
    return expected


@dataclass(frozen=True)
class _Errors:
    """The errors of one statistic on the scale on which its weeks are compared, (weeks,) each.

    There the sampling error of a share depends on what it is of alone (Anscombe 1948), so that rare things can be compared too.
    """

    expected: ByWeek
    error: ByWeek
    unit: ByWeek  # what an error is divided by

    @classmethod
    def of(cls, table: pl.DataFrame, statistic: Statistic, past: slice) -> "_Errors":
        of = table[statistic.of].to_numpy()
        values = _scaled(table[statistic.name].to_numpy(), of, statistic.scale)
        # By how much the clock of the users has moved is a difference to their past already.
        expected = np.zeros(len(values)) if statistic.scale == "hours" else expected_of(values)
        sampled = _sampling_error(expected, of, statistic.scale)
        error = values - expected
        return cls(expected, error, sampled * how_much_larger(error[past] / sampled[past]))

    def scores(self, statistic: Statistic) -> ByWeek:
        score = self.error / self.unit
        return np.maximum(score, 0) if statistic.only_above else np.abs(score)

    def limits(self, statistic: Statistic, threshold: float | None) -> tuple[ByWeek, ByWeek]:
        room = self.unit * (np.nan if threshold is None else threshold)
        lower = np.full(len(room), np.nan) if statistic.only_above else _plain(self.expected - room, statistic.scale)
        return lower, _plain(self.expected + room, statistic.scale)


def how_much_larger(errors: ByWeek) -> float:
    """How much larger the past errors are than those of a standard normal distribution, at least 1: as half and as nine in
    ten of them have it, so that one fault of the past does not hide the next."""
    sizes = np.abs(errors[~np.isnan(errors)])
    if not len(sizes):
        return 1.0
    return max(1.0, float(np.median(sizes)) / 0.674, float(np.quantile(sizes, 0.9)) / 1.645)


def _scaled(values: ByWeek, of: ByWeek, scale: ComparedBy) -> ByWeek:
    match scale:
        case "count":
            return np.log(values + 0.5)
        case "share":
            return np.asarray(2 * np.arcsin(np.sqrt((values * of + 3 / 8) / (of + 3 / 4))))
        case "stability":
            return np.log(values + SMALLEST_INDEX)
        case "hours":
            return values


def _plain(scaled: ByWeek, scale: ComparedBy) -> ByWeek:
    """The way back, as far as it goes: what was added to the counts of a share stays in it."""
    match scale:
        case "count":
            with np.errstate(over="ignore"):  # no count is beyond such a limit
                return np.maximum(np.exp(scaled) - 0.5, 0)
        case "share":
            return np.asarray(np.sin(np.clip(scaled, 0, np.pi) / 2) ** 2)
        case "stability":
            return np.maximum(np.exp(scaled) - SMALLEST_INDEX, 0)
        case "hours":
            return scaled


def _sampling_error(expected: ByWeek, of: ByWeek, scale: ComparedBy) -> ByWeek:
    """The standard deviation that counting independent things would have, (weeks,), on the scale."""
    match scale:
        case "count":
            return np.exp(-np.maximum(expected, SMALLEST_LOG_COUNT) / 2)
        case "share":
            return np.asarray(1 / np.sqrt(of + 0.5))
        case _:
            return np.full(len(expected), UNSURE[scale])


def _largest(scores: list[ByWeek]) -> ByWeek:
    every = np.stack(scores)
    return np.where(np.isnan(every).all(axis=0), np.nan, np.nanmax(np.nan_to_num(every, nan=-1.0), axis=0))
