"""The arithmetic of docs/scale.md."""

import sys
from dataclasses import replace

import pytest
from kubernetes_manifests import DEPLOY

sys.path.append(str(DEPLOY.parent / "benchmarks"))

from scale_constants import MEASURED_LISTENS, MEASURED_TRACKS, MEASURED_USERS, Constants, seconds_of
from scale_model import Scale, limits

MEASURED = Constants(listens_per_user=MEASURED_LISTENS / MEASURED_USERS)


@pytest.mark.parametrize("step", ["interactions", "temporal_splits", "track_embeddings", "baselines", "evaluation"])
def test_at_the_measured_size_a_step_takes_what_was_measured(step):
    hours = Scale(MEASURED_LISTENS, MEASURED_TRACKS, MEASURED).hours()
    assert hours[step] * 3600 == pytest.approx(seconds_of(step))


def test_twice_the_listens_by_twice_the_users_over_the_same_tracks():
    once, twice = (Scale(size * 1e7, 1e7, MEASURED) for size in (5, 10))
    grown = {step: twice.hours()[step] / once.hours()[step] for step in once.hours()}
    assert grown == pytest.approx(
        {
            "interactions": 2,
            "temporal_splits": 2,
            "trained_towers, the recipe": 1,
            "track_embeddings": 1,
            "faiss_index, ivf": 1,
            "baselines": 2,
            "evaluation": 2,
            "bundle, trained once more": 1,
            "bundle, lists of known users": 2,
            "drift": 2,
        }
    )


def test_beyond_the_users_that_are_drawn_the_evaluation_grows_with_the_tracks_alone():
    once, users, tracks = (
        Scale(*size, MEASURED).hours()["evaluation"] for size in ((1e9, 1e7), (2e9, 1e7), (1e9, 2e7))
    )
    assert (users / once, tracks / once) == pytest.approx((1, 2))


def test_four_machines_that_are_worth_half_each_read_two_and_a_half_times_as_fast():
    one, four = (Scale(1e9, 1e7, replace(MEASURED, workers=workers, worker_gain=0.5)) for workers in (1, 4))
    assert one.hours()["interactions"] / four.hours()["interactions"] == pytest.approx(2.5)
    assert one.hours_of_a_pass() / four.hours_of_a_pass() == pytest.approx(2.5)
    assert one.hours()["evaluation"] == four.hours()["evaluation"]


def test_training_holds_its_tables_and_each_listen():
    constants = replace(MEASURED, artists_per_track=0.0, training_table_copies=3.0, training_memory_per_listen=160.0)
    assert Scale(1_000, 10, constants).memory()["trained_towers"] == 3 * 4 * 128 * 10 + 160 * 1_000


def test_limits_come_in_their_order_and_hold_where_they_are_reached():
    found = limits(MEASURED)
    assert [listens for listens, _ in found] == sorted(listens for listens, _ in found)
    (memory,) = (listens for listens, what in found if what == "trained_towers needs 256 GB")
    assert Scale(memory, memory / 14, MEASURED).memory()["trained_towers"] > 256e9
    assert Scale(memory * 0.99, memory * 0.99 / 14, MEASURED).memory()["trained_towers"] < 256e9
