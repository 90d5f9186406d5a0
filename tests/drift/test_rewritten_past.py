"""The past of a log against that of the log of the bundle in service."""

from datetime import timedelta

import polars as pl
import pytest
from log_of_weeks import BEGIN, ordinary_listens, rows_of, sorted_listens, write_log

from loopback_core.drift.rewritten_past import rewritten_past

SINCE = int((BEGIN + timedelta(days=10)).timestamp())
NOBODY = pl.Series("user_id", [], pl.String)

OLD = (
    ("ann", 1, 0, "Air", "Mer"),
    ("ann", 2, 0, "Can", "Moonshake"),
    ("bob", 3, 0, "Air", "Mer"),
    ("bob", 10, 0, "Neu", "Hero"),
)


@pytest.fixture
def compare(tmp_path):
    def compared(old, new, since=SINCE, least=0.98, erased=NOBODY):
        folders = [
            write_log(tmp_path / name, rows if isinstance(rows, pl.DataFrame) else rows_of(*rows))
            for name, rows in (("old", old), ("new", new))
        ]
        return rewritten_past(folders[1], folders[0], since, least, erased)

    return compared


def test_a_log_that_only_grew_is_the_same(compare):
    past = compare(OLD, (*OLD, ("cyd", 11, 0, "Air", "Mer")))
    assert (past["kept"], past["known"], past["alarm"]) == (1.0, 1.0, False)
    assert (past["champion_listens"], past["today_listens"]) == (4, 4)


def test_a_lost_and_an_added_listen_are_counted_by_hand(compare):
    past = compare(OLD, (*OLD[:2], OLD[3], ("cyd", 5, 0, "Neu", "Hero"), ("cyd", 6, 0, "Neu", "Hero")))
    assert (past["kept"], past["known"], past["alarm"]) == (3 / 4, 3 / 5, True)
    assert not compare(OLD, OLD[1:], least=0.7)["alarm"]


def test_users_who_were_erased_on_purpose_do_not_count(compare):
    erased = pl.Series("user_id", ["bob"])
    past = compare(OLD, OLD[:2], erased=erased)
    assert (past["kept"], past["known"], past["champion_listens"], past["alarm"]) == (1.0, 1.0, 2, False)
    assert compare(OLD, OLD[:2])["alarm"]  # the last days of the log of before are missing
    assert not compare(OLD, OLD, erased=pl.Series("user_id", ["ann", "bob"]))["compared"]


def test_an_export_that_begins_later_is_compared_from_its_beginning(compare):
    past = compare(OLD, OLD[2:])
    assert (past["kept"], past["champion_listens"]) == (1.0, 2)


def test_logs_without_common_time_are_not_compared(compare):
    past = compare(OLD, (("ann", 20, 0, "Air", "Mer"),))
    assert not past["compared"] and not past["alarm"] and "no time in common" in past["sentence"]


@pytest.fixture(scope="module")
def log():
    return ordinary_listens(weeks=2)


def test_a_shifted_time_zone_is_named(compare, log):
    past = compare(log, log.with_columns(pl.col("timestamp") + timedelta(hours=3)))
    assert past["alarm"] and past["moved_hours"] == 3 and past["moved"] > 0.95
    assert "found +3 hours away: look at the time zone" in past["sentence"]


def test_users_in_another_order_are_named(compare, log):
    past = compare(log, sorted_listens(log.with_columns(pl.col("user_id").shuffle(seed=0))))
    assert past["alarm"] and past["other_users"] > 0.95 and past["users_gone"] == 0
    assert "another user has the same: look at the ids of users" in past["sentence"]


def test_other_names_and_dropped_artists_are_named(compare, log):
    past = compare(log, log.with_columns(pl.col("track_name") + " (Remastered)"))
    assert past["alarm"] and past["other_names"] == 1.0 and "look at names" in past["sentence"]
    past = compare(log, log.filter(~pl.col("artist_name").is_in(["artist 0", "artist 1"])))
    assert past["alarm"] and past["artists_gone"] == 2 and "2 artists are gone entirely" in past["sentence"]
    past = compare(log, log.filter(pl.col("user_id") > "user 05"))
    assert past["alarm"] and "6 users are gone entirely" in past["sentence"]
