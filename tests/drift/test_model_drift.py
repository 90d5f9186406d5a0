"""Two bundles of the planted log."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.drift.build_drift import Side, build_drift
from loopback_core.drift.drift_json import drift_alarms, model_alarms, read_drift
from loopback_core.drift.model_drift import COMPARED_FIRST, model_drift
from loopback_core.settings import DriftSettings, Settings


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def served(artifacts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    build_bundle(planted_evaluated(artifacts), Settings(bundle={"refit": "none"}), folder, folder)
    return ServedBundle.load(folder)


def with_vectors(served, vectors):
    return replace(served, bundle=replace(served.bundle, vectors=vectors.astype(np.float32)))


def with_lists(served, change):
    lists = {task: replace(known, tracks=change(known.tracks.copy())) for task, known in served.lists.items()}
    return replace(served, lists=MappingProxyType(lists))


def test_a_bundle_is_as_itself(served):
    drift = model_drift(served, served, DriftSettings())
    assert drift["champion"] == drift["challenger"]
    assert drift["tracks_of_both"] == drift["asked"] == len(served.bundle.vectors) and drift["users_of_both"] == 60
    assert drift["overlap"] == 1.0 and drift["alarms"] == []
    for lists in drift["lists"].values():
        assert (lists["users"], lists["overlap"], lists["changed"], lists["alarms"]) == (60, 1.0, 0.0, [])
        assert lists["popularity"][0] == lists["popularity"][1] and lists["distinct"][0] == lists["distinct"][1]


def test_a_rotated_space_has_the_same_neighbours(served):
    vectors = np.asarray(served.bundle.vectors)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((vectors.shape[1],) * 2))[0]
    drift = model_drift(served, with_vectors(served, vectors @ turn), DriftSettings())
    assert drift["overlap"] > 0.98
    assert drift["champion"]["centroid"] == pytest.approx(drift["challenger"]["centroid"], abs=1e-5)


def test_other_neighbours_and_odd_norms_are_alarms(served):
    vectors = np.asarray(served.bundle.vectors)
    shuffled = with_vectors(served, 2 * np.random.default_rng(0).permutation(vectors))
    drift = model_drift(served, shuffled, DriftSettings(least_overlap=0.5))
    assert drift["overlap"] < 2 * COMPARED_FIRST / len(vectors)
    assert len(drift["alarms"]) == 2 and "not of unit norm" in drift["alarms"][1]


def test_lists_that_changed_entirely_and_one_list_for_all_are_alarms(served):
    later = with_lists(served, lambda tracks: tracks[:, COMPARED_FIRST:])
    drift = model_drift(served, later, DriftSettings())
    assert all(lists["changed"] > 0.9 and "keep none" in lists["alarms"][0] for lists in drift["lists"].values())
    same = with_lists(served, lambda tracks: np.broadcast_to(np.arange(tracks.shape[1], dtype=np.int32), tracks.shape))
    drift = model_drift(served, same, DriftSettings())
    assert all(
        lists["distinct"][1] == COMPARED_FIRST and "number of tracks" in lists["alarms"][-1]
        for lists in drift["lists"].values()
    )


def test_half_of_a_list_by_hand(served):
    def change(tracks):
        tracks[:, 5:COMPARED_FIRST] = tracks[:, 95:100]
        return tracks

    drift = model_drift(served, with_lists(served, change), DriftSettings())
    assert all((lists["overlap"], lists["changed"]) == (0.5, 0.0) for lists in drift["lists"].values())


def test_the_step_writes_what_is_read_back(served, artifacts, tmp_path):
    log = artifacts / "interactions"
    pl.DataFrame({"reason": []}, {"reason": pl.String}).write_parquet(log / "rejects.parquet")
    side = Side("new", served.folder, log)
    alone = build_drift(side, None, DriftSettings(), tmp_path)
    assert alone == {"champion": None, "data_alarms": 0, "model_alarms": 0}
    assert read_drift(tmp_path)["models"] is None

    summary = build_drift(side, Side("old", served.folder, log), DriftSettings(), tmp_path)
    drift = read_drift(tmp_path)
    assert summary["champion"] == drift["champion"] == "old" and drift["since"] == served.known["last_listen"]
    assert drift["data"]["past"]["kept"] == 1.0 and drift_alarms(drift) == model_alarms(drift) == []
    gone = build_drift(side, Side("old", served.folder, None), DriftSettings(), tmp_path)
    assert gone["data_alarms"] == 0 and "its log is gone" in read_drift(tmp_path)["data"]["past"]["sentence"]
