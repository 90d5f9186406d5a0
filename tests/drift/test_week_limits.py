"""What the weeks before lead to expect, and where a week raises an alarm."""

import math

import numpy as np
import polars as pl
import pytest

from loopback_core.drift.statistic import STATISTICS
from loopback_core.drift.week_limits import LEAST_PAST_WEEKS, expected_of, limits_of_weeks, ordinary, threshold_of

NAN = math.nan


def table_of(weeks, **columns):
    """A table in which every statistic but the given ones is nothing, of 1,000 each."""
    of = {statistic.of: np.full(weeks, 1000.0) for statistic in STATISTICS}
    nothing = {statistic.name: np.full(weeks, NAN) for statistic in STATISTICS}
    return pl.DataFrame({"start": range(weeks), **nothing, **of, **columns})


def shares(rng, weeks, share=0.3):
    return rng.binomial(1000, share, weeks) / 1000


def test_a_line_is_continued_whatever_one_of_its_weeks_was():
    line = np.arange(10) * 2.0
    assert expected_of(line)[4:].tolist() == line[4:].tolist()
    line[6] = 100.0
    assert expected_of(line)[9] == 18.0
    line[7] = NAN
    assert expected_of(line)[9] == 18.0


def test_fewer_than_four_weeks_lead_to_expect_nothing():
    assert np.isnan(expected_of(np.array([1.0, 1.0, NAN, 1.0, 1.0, 1.0]))).tolist() == [True] * 5 + [False]


def test_the_threshold_is_that_of_the_past_weeks_where_there_are_many_and_more_careful_where_there_are_few():
    past = np.append(np.linspace(1, 2, 94), [5.0] * 6)
    assert threshold_of(past, 0.95) == 5.0  # the 96th of 100: of 101 weeks one in twenty is larger
    few = np.linspace(1, 2, 8)
    assert threshold_of(few, 0.95) > 2
    assert threshold_of(few, 0.95) < threshold_of(few, 0.99)


def test_a_share_is_compared_by_its_sampling_error():
    values = np.full(30, 0.3)
    values[-1] = 0.36
    calibration = limits_of_weeks(table_of(30, repeats=values), 1, 52, 0.05)
    # the distance of the arc sines of the roots, with 3/8 and 3/4 added, over 1 / sqrt(1000.5)
    scaled = [2 * math.asin(math.sqrt((1000 * share + 0.375) / 1000.75)) for share in (0.3, 0.36)]
    assert math.isclose(calibration.scores["repeats"][-1], (scaled[1] - scaled[0]) * math.sqrt(1000.5))
    assert math.isclose(calibration.expected["repeats"][-1], 0.3, abs_tol=1e-3)


def test_an_error_as_large_as_those_of_the_past_is_no_alarm_and_one_much_larger_is():
    rng = np.random.default_rng(0)
    wild = np.clip(shares(rng, 60) + rng.normal(0, 0.1, 60), 0.01, 0.99)
    for last, alarm in ((0.5, False), (0.95, True)):
        wild[-1] = last
        calibration = limits_of_weeks(table_of(60, repeats=wild), 1, 52, 0.05)
        assert (calibration.scores["repeats"][-1] > calibration.threshold) == alarm
        assert (calibration.upper["repeats"][-1] < last) == alarm
    calm = shares(rng, 60)
    calm[-1] = 0.5
    calibration = limits_of_weeks(table_of(60, repeats=calm), 1, 52, 0.05)
    assert calibration.scores["repeats"][-1] > calibration.threshold


def test_nothing_is_wrong_with_a_small_one_of_those_that_are_bad_above_alone():
    rng = np.random.default_rng(0)
    for name, alarm in (("bursts", False), ("repeats", True)):
        values = shares(rng, 60)
        values[-1] = 0.0
        calibration = limits_of_weeks(table_of(60, **{name: values}), 1, 52, 0.05)
        assert (calibration.largest[-1] > calibration.threshold) == alarm


def test_one_fault_of_the_past_does_not_hide_the_next():
    values = shares(np.random.default_rng(0), 80)
    values[[40, -1]] = 0.6
    calibration = limits_of_weeks(table_of(80, repeats=values), 1, 76, 0.05)
    assert calibration.past_weeks == 75 and calibration.threshold < 5 < 10 < calibration.scores["repeats"][-1]


def test_weeks_that_stand_out_are_left_out_and_wild_ones_among_wild_ones_are_not():
    calm = np.linspace(1, 2, 20)
    assert ordinary(np.append(calm, 30.0)).tolist() == calm.tolist()
    assert ordinary(np.append(calm, 3.5)).max() == 3.5
    wild = np.geomspace(1, 30, 20)
    assert ordinary(wild).tolist() == wild.tolist()
    assert ordinary(np.ones(9)).tolist() == [1.0] * 9
    alike = np.array([2.0] * 6 + [2.0000001] * 4)
    assert len(ordinary(alike)) == 10
    holidays = np.where(np.arange(52) % 8, np.linspace(1, 2, 52), 9.0)
    assert ordinary(holidays).max() == 9  # every eighth week is no fault


def test_a_fault_leaves_a_short_past_calibrated():
    values = shares(np.random.default_rng(0), 13)
    values[6] = 0.9
    assert limits_of_weeks(table_of(13, repeats=values), 1, 52, 0.05).threshold is not None


@pytest.mark.parametrize(
    "names", [("repeats",), ("repeats", "new_tracks", "own_artists", "head_plays", "largest_user")]
)
def test_at_most_one_false_alarm_in_twenty_over_all_statistics_together_few_or_many(names):
    rng = np.random.default_rng(len(names))
    false = []
    for _ in range(80):
        calibration = limits_of_weeks(table_of(40, **{name: shares(rng, 40) for name in names}), 1, 52, 0.05)
        false.append(calibration.largest[-1] > calibration.threshold)
    assert np.mean(false) <= 0.05


def test_of_several_new_weeks_each_is_held_to_a_higher_threshold():
    table = table_of(60, repeats=shares(np.random.default_rng(0), 60))
    one, four = (limits_of_weeks(table, new, 40, 0.2) for new in (1, 4))
    assert four.threshold > one.threshold


def test_few_past_weeks_give_no_threshold_and_no_limits():
    values = shares(np.random.default_rng(0), 40)
    enough = 4 + LEAST_PAST_WEEKS + 1
    assert limits_of_weeks(table_of(enough, repeats=values[:enough]), 1, 52, 0.05).threshold is not None
    few = limits_of_weeks(table_of(enough - 1, repeats=values[: enough - 1]), 1, 52, 0.05)
    assert few.threshold is None and np.isnan(few.upper["repeats"]).all()
