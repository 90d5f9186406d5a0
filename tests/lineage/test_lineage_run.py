import json
import shutil

import pytest
from planted_log import planted_splits
from retriever_contract import SMALL

from loopback_core.errors import ArtifactError, DivergedError
from loopback_core.lineage import measure_family
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.lineage_json import read_lineage
from loopback_core.lineage.run_lineage import run_lineage
from loopback_core.splits import Splits

GIVEN = {**SMALL, "lineage": {**SMALL["lineage"], "timed_queries": 3}}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """The planted log without its test part: a lineage has no business there."""
    planted = planted_splits(tmp_path_factory.mktemp("planted"))
    (planted.folder / "test.parquet").unlink()
    return planted


@pytest.fixture
def run(splits, tmp_path):
    """run(families, seeds) -> content of `lineage.json` and the summary; what was trained is kept between calls."""

    def run(families=("two_tower", "late"), seeds=(0,), verify=lambda: None, given=GIVEN):
        plan = {name: [settings_of_family(FAMILIES[name], seed, given, {}) for seed in seeds] for name in families}
        folder = tmp_path / "made"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kept, checkpoints = tmp_path / "kept", tmp_path / "checkpoints"
        summary = run_lineage(
            Splits(splits.folder), "a-version", "their digest", plan, kept, checkpoints, folder, verify
        )
        return json.loads((folder / "lineage.json").read_text()), summary

    return run


@pytest.fixture
def trained(monkeypatch):
    """(family, seed) of each training that is begun."""
    begun, fit = [], measure_family.fit_towers

    def counted(family, data, settings, *more):
        begun.append((family, settings.training.seed))
        return fit(family, data, settings, *more)

    monkeypatch.setattr(measure_family, "fit_towers", counted)
    return begun


def test_a_run_that_was_killed_trains_nothing_again_that_was_finished(run, trained, monkeypatch):
    counted = measure_family.fit_towers

    def killed(family, *more):
        if family == "late":
            raise KeyboardInterrupt
        return counted(family, *more)

    monkeypatch.setattr(measure_family, "fit_towers", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert trained == [("two_tower", 0)]
    trained.clear()
    monkeypatch.setattr(measure_family, "fit_towers", counted)
    content, summary = run()
    assert trained == [("late", 0)] and summary == {"families": 2, "trainings": 2, "found": 1}
    trained.clear()
    assert run() == (content, {**summary, "found": 2}) and trained == []


def test_a_training_on_splits_that_were_damaged_meanwhile_is_not_kept(run, tmp_path):
    def damaged():
        raise ArtifactError("temporal_splits is damaged")

    with pytest.raises(ArtifactError, match="is damaged"):
        run(["two_tower"], verify=damaged)
    assert not list((tmp_path / "kept").glob("*"))


def test_late_interaction_with_coded_vectors_is_trained_and_measured(run):
    coded = {**GIVEN, "lineage": {**GIVEN["lineage"], "late": {"residual_bits": 2}}}
    plain, late = run(given=coded)[0]["rows"]
    assert late["costs"]["bytes_per_track"] < run()[0]["rows"][1]["costs"]["bytes_per_track"]
    assert 0 < late["tasks"]["discovery"]["recall@100"]["value"] <= 1 and plain["family"] == "two_tower"


def test_families_are_trained_by_one_process_whatever_the_run_says():
    for family in FAMILIES.values():
        given = {**GIVEN, "training": {**GIVEN.get("training", {}), "workers": 2}}
        assert settings_of_family(family, 0, given, {}).training.workers == 1


def test_what_is_measured_of_each_family(run, tmp_path):
    content, _ = run(["two_tower", "interests", "late"], [0, 1])
    assert content == read_lineage(tmp_path / "made") and content["users"] == {"discovery": 30, "next_listen": 30}
    assert (content["tracks"], content["seeds"], content["plain"]) == (200, [0, 1], "two_tower")
    for row in content["rows"]:
        assert [facts["seed"] for facts in row["runs"]] == [0, 1]
        costs = row["costs"]
        assert 0 < costs["search_p50_ms"] <= costs["p50_ms"] <= costs["p99_ms"] and costs["build_seconds"] > 0
        assert costs["share_found, discovery"] == 1  # the catalog is searched exactly
        for task in ("discovery", "next_listen"):
            for metric in ("ndcg@10", "recall@100"):
                mean = row["tasks"][task][metric]
                assert 0 <= mean["low"] <= mean["value"] <= mean["high"] <= 1
            assert (row["paired"][task] == {}) == (row["family"] == "two_tower")
    plain, interests, late = (row["costs"] for row in content["rows"])
    assert -1 < interests["mean_cosine"] < 1 and "mean_cosine" not in plain and "mean_cosine" not in late
    vectors = 2 * 4 * SMALL["towers"]["output_dim"]  # as a view and in the index
    assert plain["bytes_per_track"] == pytest.approx(vectors, abs=2)
    assert late["bytes_per_track"] == pytest.approx(vectors + 4 + vectors / 2 / 5, abs=4)  # 5 tracks share an artist
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        "lineage.json", "lineage.md", "lineage.png", "lineage.svg"
    }  # fmt: skip
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_family_that_diverges_is_recorded_and_the_others_are_trained(run, monkeypatch):
    fit = measure_family.fit_towers

    def diverges(family, *more):
        if family == "late":
            raise DivergedError("The loss of epoch 1 is not finite.")
        return fit(family, *more)

    monkeypatch.setattr(measure_family, "fit_towers", diverges)
    plain, late = run()[0]["rows"]
    assert late["diverged"] == [0] and late["tasks"] == {} and late["costs"] == {}
    assert plain["diverged"] == [] and "discovery" in plain["tasks"]
