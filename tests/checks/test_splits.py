from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl
import pytest

from loopback_core.settings import SplitSettings
from loopback_core.splits import split_listens


@pytest.fixture
def splits(chain):
    return chain.sound["temporal_splits"]


def at(second):
    return datetime.fromtimestamp(second, UTC)


def split_again(chain, settings):
    listens = chain.sound["interactions"].folder

    def make(folder):
        return asdict(split_listens(listens, folder, settings))

    return chain.publish("temporal_splits", make, ["interactions"], settings.model_dump(mode="json"))


def with_row(part, row, column, value):
    """A change of one value in one part of the splits."""

    def spoil(folder):
        frame = pl.read_parquet(folder / f"{part}.parquet")
        values = frame[column].to_list()
        values[row] = value
        frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype)).write_parquet(
            folder / f"{part}.parquet"
        )

    return spoil


def without_last_row(part):
    def spoil(folder):
        pl.read_parquet(folder / f"{part}.parquet")[:-1].write_parquet(folder / f"{part}.parquet")

    return spoil


def test_parts_of_the_size_they_should_have_pass(chain, splits):
    verdict = chain.verdict("split_counts", splits)
    assert verdict.passed
    assert verdict.facts == {"train": 6, "validation": 2, "test": 2, "held_out": 0, "log": 10}


@pytest.mark.parametrize(
    ("floor", "sentence"),
    [
        ({"min_train_events": 7}, "train has 6 events, fewer than 7"),
        ({"min_validation_events": 3}, "validation has 2 events, fewer than 3"),
        ({"min_test_events": 3}, "test has 2 events, fewer than 3"),
    ],
)
def test_a_part_below_its_floor_is_named(chain, splits, floor, sentence):
    verdict = chain.verdict("split_counts", splits, **floor)
    assert not verdict.passed
    assert verdict.sentence == sentence


def test_a_part_far_from_its_fraction_is_named(chain, splits):
    verdict = chain.verdict("split_counts", splits, split_tolerance=0.09)
    assert not verdict.passed
    assert verdict.sentence == (
        "validation is 0.200 of the log instead of 0.300 ± 0.09; train is 0.600 of the log instead of 0.500 ± 0.09"
    )


def test_dates_have_no_fractions_to_be_near_to(chain):
    by_dates = SplitSettings(strategy="dates", train_until=at(60), validation_until=at(80))
    assert chain.verdict("split_counts", split_again(chain, by_dates), split_tolerance=0.0).passed


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_missing_event_fails_the_check(chain, part):
    fewer = chain.spoiled("temporal_splits", without_last_row(part))
    verdict = chain.verdict("split_counts", fewer, **{f"min_{part}_events": 1}, split_tolerance=1.0)
    assert not verdict.passed
    assert verdict.sentence == "the parts hold 9 events together, the log 10"


@pytest.mark.parametrize("strategy", ["global", "dates", "per_user", "leave_last"])
def test_no_strategy_leaks(chain, strategy):
    fractions = {"validation_fraction": 0.25, "test_fraction": 0.25}
    dates = {"train_until": at(60), "validation_until": at(80)}
    of_strategy = {"global": fractions, "per_user": fractions, "dates": dates}.get(strategy, {})
    settings = SplitSettings(strategy=strategy, **of_strategy)
    verdict = chain.verdict("no_time_leakage", split_again(chain, settings))
    assert verdict.passed
    assert verdict.facts == {"strategy": strategy, "leaked_events": 0, "leaks": {}}


def test_an_event_before_the_end_of_an_earlier_part_is_a_leak_in_global(chain):
    early = chain.spoiled("temporal_splits", with_row("test", 0, "timestamp", at(59)))
    verdict = chain.verdict("no_time_leakage", early)
    assert not verdict.passed
    assert verdict.facts["leaks"] == {"test before the end of validation": 1, "test before the end of train": 1}
    at_the_end = chain.spoiled("temporal_splits", with_row("validation", 0, "timestamp", at(60)))
    assert chain.verdict("no_time_leakage", at_the_end).passed


def test_per_user_leaks_are_looked_for_within_each_user(chain, splits):
    # ann's test event lies before the end of bob's and cyd's train, which leaks nothing about ann.
    leave_last = split_again(chain, SplitSettings(strategy="leave_last"))
    chain.sound["temporal_splits"] = leave_last
    frame = pl.read_parquet(leave_last.folder / "test.parquet")
    users = dict(pl.read_parquet(leave_last.folder / "users.parquet").select("user_id", "user").iter_rows())
    ann, cyd = (frame["user"].to_list().index(users[name]) for name in ("ann", "cyd"))
    of_ann = chain.spoiled("temporal_splits", with_row("test", ann, "timestamp", at(70)))
    assert chain.verdict("no_time_leakage", of_ann).passed
    of_cyd = chain.spoiled("temporal_splits", with_row("test", cyd, "timestamp", at(59)))
    verdict = chain.verdict("no_time_leakage", of_cyd)
    assert not verdict.passed
    assert verdict.facts["leaks"] == {"test before the end of validation": 1, "test before the end of train": 1}


def test_ids_inside_their_catalogs_pass(chain, splits):
    verdict = chain.verdict("ids_in_catalog", splits)
    assert verdict.passed
    assert verdict.facts == {"tracks_tuning": 3, "tracks_testing": 5, "tracks_log": 6}


@pytest.mark.parametrize(
    ("part", "column", "value", "sentence"),
    [
        ("train", "track", 3, "1 tuning events have a track outside the catalog"),
        ("train", "track", -1, "1 tuning events have a track outside the catalog"),
        ("train", "track", 2, "the tuning catalog's play counts are not those of its events"),
        ("validation", "track", 5, "1 testing events have a track outside the catalog"),
        ("test", "track", 6, "1 test events have a track and 0 events a user without a name"),
        ("test", "track", -1, "1 test events have a track and 0 events a user without a name"),
        ("test", "user", 3, "0 test events have a track and 1 events a user without a name"),
        ("test", "user", -1, "0 test events have a track and 1 events a user without a name"),
    ],
)
def test_an_id_outside_its_catalog_is_found(chain, part, column, value, sentence):
    verdict = chain.verdict("ids_in_catalog", chain.spoiled("temporal_splits", with_row(part, 0, column, value)))
    assert not verdict.passed
    assert sentence in verdict.sentence


def test_held_out_events_are_counted_separately_and_in_the_share_of_their_part(chain):
    held = split_again(chain, SplitSettings(validation_fraction=0.3, test_fraction=0.2, held_out_users=0.34, seed=1))
    verdict = chain.verdict("split_counts", held, min_train_events=1, min_validation_events=1)
    assert verdict.passed and verdict.facts["held_out"] > 0

    def lose_one(folder):
        path = folder / "held_out" / "events.parquet"
        pl.read_parquet(path)[:-1].write_parquet(path)

    chain.sound["temporal_splits"] = held
    lost = chain.verdict("split_counts", chain.spoiled("temporal_splits", lose_one))
    assert not lost.passed and "the parts hold 9 events together, the log 10" in lost.sentence
