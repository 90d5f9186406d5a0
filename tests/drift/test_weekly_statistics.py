"""Six weeks by hand."""

import math

import numpy as np
import polars as pl
import pytest
from log_of_weeks import rows_of, write_log

from loopback_core.drift.week_reading import WEEK, read_weeks
from loopback_core.drift.weekly_statistics import weekly_statistics

# Day 0 is before the first week, since the last one ends with the last listen, on day 43 at midnight.
ROWS = [
    ("ann", 0, 0, "Air", "Mer"),
    *(("ann", day, 6, "Air", "Mer") for day in (2, 9, 16, 23, 30)),
    *(("bob", day, 6, "Can", "Moonshake") for day in (9, 16, 23, 30)),
    ("ann", 31, 6, "Air", "Mer"),
    ("ann", 37, 9, "Air", "Mer"),
    ("ann", 37, 9 + 10 / 3600, "Air", "Talisman"),
    ("ann", 38, 9, "Neu", "Hero"),
    ("bob", 38, 9, "Can", "Moonshake"),
    *(("cyd", 40, hour, "Air", "Mer") for hour in range(20)),
    ("dan", 43, 0, "Neu", "Hero"),
]


@pytest.fixture
def weeks(tmp_path):
    folder = write_log(tmp_path, rows_of(*ROWS))
    profiles = pl.DataFrame({"user_id": ["ann", "bob", "cyd"], "country": ["Norway", "Japan", "Norway"]})
    profiles.write_parquet(folder / "profiles.parquet")
    return weekly_statistics(read_weeks(folder, 100), folder / "profiles.parquet")


def test_a_row_is_a_whole_week_that_ends_with_the_last_listen(weeks):
    assert weeks["start"].diff().drop_nulls().to_list() == [WEEK] * 5
    assert weeks["listens"].to_list() == [1, 2, 2, 2, 3, 25]
    assert weeks["users"].to_list() == [1, 2, 2, 2, 2, 4]
    assert weeks["known_listens"].to_list() == [1, 1, 2, 2, 3, 4]


def test_shares_of_the_last_week(weeks):
    last = weeks.row(-1, named=True)
    assert last["new_users"] == 2 / 4
    assert last["new_tracks"] == 3 / 25  # Talisman, and Hero twice
    assert last["repeats"] == 2 / 4  # of the listens of ann and bob Mer and Moonshake
    assert last["own_artists"] == 3 / 4  # all but Neu
    assert last["bursts"] == 1 / 25
    assert last["round_the_clock"] == 20 / 25
    assert last["largest_user"] == 20 / 25
    assert last["head_plays"] == 22 / 25  # Air has five of the nine plays of the four weeks before
    assert last["silent_artists"] == 0


def test_artists_are_silent_by_the_plays_that_those_who_listen_would_give_them(tmp_path):
    habit = [("ann", 7 * week, hour, "Air" if hour < 6 else "Can", "Mer") for week in range(5) for hour in range(8)]
    idle = [("bob", 7 * week, hour, "Neu", "Hero") for week in range(5) for hour in range(20)]
    now = [("ann", 40, hour, "Air", "Mer") for hour in range(12)]
    folder = write_log(tmp_path, rows_of(*habit, *idle, *now, ("cyd", 40, 13, "Faust", "Jennifer")))
    last = weekly_statistics(read_weeks(folder, 100), tmp_path / "none.parquet").row(-1, named=True)
    assert last["artists_to_play"] == 2  # of ann, who played Air and Can 3 to 1; bob does not listen, cyd has no past
    assert last["silent_artists"] == pytest.approx(3 / 12)


def test_what_was_played_before_the_weeks_that_are_read_has_its_age(tmp_path):
    rng = np.random.default_rng(0)
    plays = [
        ("ann", day, hour, f"artist {rng.integers(day // 50, day // 50 + 6)}", "Mer")
        for day in range(400)
        for hour in (8, 9, 20)
    ]
    folder = write_log(tmp_path, rows_of(*plays))
    whole, window = (weekly_statistics(read_weeks(folder, weeks), tmp_path / "none.parquet") for weeks in (100, 12))
    for name in ("silent_artists", "artists_to_play"):
        assert window[name].tail(8).to_list() == pytest.approx(whole[name].tail(8).to_list())
    assert len(set(window["silent_artists"].tail(8))) > 4


def test_the_first_weeks_have_nothing_to_be_compared_with(weeks):
    for name in (
        "head_plays",
        "silent_artists",
        "artist_stability",
        "hour_stability",
        "country_stability",
        "own_hours_shift",
    ):
        assert [math.isnan(value) for value in weeks[name]] == [True] * 4 + [False] * 2
    # Air and Can 4 to 3 in the four weeks before, 2 to 1 now
    expected = (2 / 3 - 4 / 7) * math.log(2 / 3 / (4 / 7)) + (1 / 3 - 3 / 7) * math.log(1 / 3 / (3 / 7))
    assert math.isclose(weeks["artist_stability"][4], expected)


def test_hours_and_countries(weeks):
    before, last = weeks.row(4, named=True), weeks.row(5, named=True)
    assert before["hour_stability"] == 0 and last["hour_stability"] > 1
    assert math.isclose(before["own_hours_shift"], 0, abs_tol=1e-9)
    assert math.isclose(last["own_hours_shift"], 3)  # ann and bob; cyd and dan were not there before
    # Norway and Japan 4 to 4 user-weeks before, then 2 to 1; dan has no profile
    expected = (2 / 3 - 1 / 2) * math.log(4 / 3) + (1 / 3 - 1 / 2) * math.log(2 / 3)
    assert math.isclose(last["country_stability"], expected)


def test_what_comes_later_changes_no_week_before(tmp_path):
    early = write_log(
        tmp_path / "early",
        rows_of(*ROWS, ("eve", 36, 0, "Air", "Mer")).filter(
            pl.col("timestamp") < pl.datetime(2020, 2, 11, 0, 0, 1, time_zone="UTC")
        ),
    )
    late = write_log(tmp_path / "late", rows_of(*ROWS))
    none = tmp_path / "none.parquet"
    first = weekly_statistics(read_weeks(early, 100), none)
    both = weekly_statistics(read_weeks(late, 100), none)
    assert first.row(-2)[1:4] == both.row(-3)[1:4]


def test_of_a_long_log_the_last_weeks_are_read_and_older_listens_stay_the_past(tmp_path):
    folder = write_log(tmp_path, rows_of(*ROWS))
    last_two = weekly_statistics(read_weeks(folder, 2), tmp_path / "none.parquet")
    assert last_two["listens"].to_list() == [3, 25]
    assert last_two["new_users"].to_list() == [0, 0.5]
    assert last_two["repeats"].to_list() == [1, 0.5]
