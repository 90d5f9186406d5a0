"""The new weeks of a log: each fault of a pipeline is found, and an ordinary week raises no alarm."""

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from log_of_weeks import BEGIN, WEEKS, ordinary_listens, profiles_of, rows_of, write_log
from planted_shifts import SHIFTS, country_lost, sorted_listens

from loopback_core.drift.data_drift import data_drift
from loopback_core.settings import DriftSettings

SINCE = int((BEGIN + timedelta(weeks=WEEKS - 1)).timestamp())

FINDS = {
    "users shuffled": {"repeats", "own_artists", "own_hours_shift"},
    "users swapped": {"repeats", "own_artists"},
    "users renamed": {"new_users"},
    "users lost": {"users", "listens"},
    "artists dropped": {"silent_artists", "artist_stability"},
    "titles renamed": {"new_tracks", "repeats"},
    "hours shifted": {"own_hours_shift"},
    "sent twice": {"bursts"},
    "bots": {"round_the_clock", "largest_user"},
}
"""A fault -> the statistics of which at least one must find it."""


@pytest.fixture(scope="module")
def listens():
    return ordinary_listens()


def alarms(folder, listens, profiles=None, since=SINCE, **settings):
    write_log(folder, listens)
    if profiles is not None:
        profiles.write_parquet(folder / "profiles.parquet")
    weeks = data_drift(folder, None, since, DriftSettings(**settings))["weeks"]
    return {one["name"] for one in weeks["statistics"] if one["alarm"]}, weeks


def test_an_ordinary_week_raises_no_alarm_and_each_statistic_is_a_sentence_with_its_limits(listens, tmp_path):
    found, weeks = alarms(tmp_path, listens, profiles_of(listens))
    assert found == set()
    assert weeks["calibrated"] and weeks["new_weeks"] == 1 and weeks["past_weeks"] >= 25
    for one in weeks["statistics"]:
        assert one["value"] <= one["upper"] and (one["lower"] is None or one["lower"] <= one["value"])
    (repeats,) = (one for one in weeks["statistics"] if one["name"] == "repeats")
    assert repeats["sentence"].startswith(
        "In the week from 2020-10-04 the share of the listens to tracks that their user had"
    )
    assert " the weeks before lead to expect " in repeats["sentence"]
    assert all(len(series["value"]) == len(weeks["starts"]) for series in weeks["series"].values())


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_fault_of_the_new_week_is_found_by_the_statistic_that_is_made_for_it(shift, listens, tmp_path):
    shifted = sorted_listens(SHIFTS[shift](listens, np.random.default_rng(0)))
    assert alarms(tmp_path, shifted)[0] & FINDS[shift]


def test_missing_countries_are_found_where_there_are_profiles(listens, tmp_path):
    profiles = profiles_of(listens)
    shifted = sorted_listens(country_lost(listens, None, profiles))
    assert "country_stability" in alarms(tmp_path / "with", shifted, profiles)[0]
    assert "country_stability" not in alarms(tmp_path / "without", shifted)[0]


def test_a_fault_two_weeks_ago_is_found_as_long_as_that_week_is_new(listens, tmp_path):
    early = listens.filter(pl.col("timestamp") < BEGIN + timedelta(weeks=WEEKS - 2))
    shifted = sorted_listens(SHIFTS["users swapped"](early, np.random.default_rng(0)))
    late = listens.filter(pl.col("timestamp") >= BEGIN + timedelta(weeks=WEEKS - 2))
    log = sorted_listens(pl.concat([shifted, late]))
    found, weeks = alarms(tmp_path / "new", log, since=SINCE - 2 * 7 * 86_400)
    assert "own_artists" in found and weeks["new_weeks"] == 3
    assert "own_artists" not in alarms(tmp_path / "old", log)[0]


def test_at_most_one_past_week_in_twenty_raises_an_alarm(listens, tmp_path):
    cuts = range(20, WEEKS)
    until = [listens.filter(pl.col("timestamp") < BEGIN + timedelta(weeks=cut)) for cut in cuts]
    false = [bool(alarms(tmp_path / f"{cut}", log)[0]) for cut, log in zip(cuts, until, strict=True)]
    assert sum(false) <= len(cuts) / 20


def test_a_log_that_grows_raises_no_alarm(tmp_path):
    listens = ordinary_listens(1)
    week = (pl.col("timestamp") - BEGIN).dt.total_days() // 7
    grown = listens.filter(
        pl.Series(np.random.default_rng(0).random(len(listens))) < listens.select((week + 20) / 60).to_series()
    )
    assert alarms(tmp_path, grown)[0] == set()


@pytest.mark.parametrize("empty", [5, 8])
def test_weeks_without_a_listen_leave_limits_that_are_numbers(listens, tmp_path, empty):
    week = (pl.col("timestamp") - BEGIN).dt.total_days() // 7
    weeks = alarms(tmp_path, listens.filter(~week.is_between(12, 11 + empty)))[1]
    limits = [one[side] for one in weeks["statistics"] for side in ("expected", "lower", "upper")]
    assert all(limit is None or math.isfinite(limit) for limit in limits)
    (of_listens,) = (one for one in weeks["statistics"] if one["name"] == "listens")
    assert of_listens["upper"] is not None


def test_too_few_weeks_raise_no_alarm_and_say_so(listens, tmp_path):
    found, weeks = alarms(tmp_path, listens.filter(pl.col("timestamp") < BEGIN + timedelta(weeks=12)))
    assert not found and not weeks["calibrated"] and "The log has 11 whole weeks" in weeks["sentence"]
    found, weeks = alarms(tmp_path, rows_of(("ann", 0, 0, "Air", "Mer")))
    assert not found and not weeks["calibrated"] and "The log has 0 whole weeks" in weeks["sentence"]


def test_weeks_of_a_log_whose_times_mean_nothing_are_not_compared(listens, tmp_path):
    place = pl.int_range(pl.len()).over("user_id")
    steps = listens.with_columns(timestamp=pl.lit(BEGIN).cast(pl.Datetime("us", "UTC")) + pl.duration(hours=2 * place))
    found, weeks = alarms(tmp_path / "steps", sorted_listens(steps))
    assert not found and "the times are made up" in weeks["sentence"]
    folder = write_log(tmp_path / "cut", listens)
    weeks = data_drift(folder, None, SINCE, DriftSettings(), own_calendars=True)["weeks"]
    assert not weeks["calibrated"] and "cut user by user" in weeks["sentence"]


def test_of_new_rows_few_may_be_rejected(listens, tmp_path):
    old = write_log(tmp_path / "old", listens.head(100), ["missing title"] * 3 + ["exact duplicate"] * 50)
    new = write_log(tmp_path / "new", listens.head(190), ["missing title"] * 13 + ["exact duplicate"] * 90)
    rejects = data_drift(new, old, SINCE, DriftSettings(most_rejected=0.1))["rejects"]
    assert (rejects["rows"], rejects["rejected"], rejects["share"], rejects["alarm"]) == (100, 10, 0.1, False)
    assert data_drift(new, old, SINCE, DriftSettings(most_rejected=0.09))["rejects"]["alarm"]
    assert data_drift(old, old, SINCE, DriftSettings())["rejects"]["share"] is None
