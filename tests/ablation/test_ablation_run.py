import json
import shutil

import pytest
import torch
from planted_log import planted_splits

from loopback_core.ablation import measure
from loopback_core.ablation.choices import CHOICES, plan_of, settings_of
from loopback_core.ablation.measure import key_of
from loopback_core.ablation.run import run_ablation
from loopback_core.errors import ArtifactError, DivergedError
from loopback_core.ranking import fitting
from loopback_core.splits import Splits
from loopback_core.training import train_ranker as ranker_step

GIVEN = {
    "towers": {"mlp": {"id_dim": 4, "hidden_dim": 8}, "output_dim": 8, "pooled": {"listens": 50}},
    "training": {"epochs": 1, "batch_size": 512, "sampled": {"negatives": 16}, "device": "cpu"},
    "evaluation": {"resamples": 100, "tuning_users": 20},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Steps this small wait for a second thread longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def quick_rankers(monkeypatch):
    """One moment and one strength: how rankers are fitted is tested elsewhere, and here some thirty choices fit three each."""
    monkeypatch.setattr(ranker_step, "MOMENTS", (0.0,))
    monkeypatch.setattr(fitting, "STRENGTHS", (1.0,))


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """The planted log without its test part: an ablation has no business there."""
    planted = planted_splits(tmp_path_factory.mktemp("planted"))
    (planted.folder / "test.parquet").unlink()
    return planted


@pytest.fixture
def run(splits, tmp_path):
    """run(choices, seeds) -> content of `ablation.json` and the summary; what was trained is kept between calls."""

    def run(choices=("reference", "default"), seeds=(0, 1), verify=lambda: None, of_log=None):
        plan = plan_of(choices, CHOICES, seeds, GIVEN, of_log, {})
        folder = tmp_path / "made"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kept, checkpoints = tmp_path / "kept", tmp_path / "checkpoints"
        summary = run_ablation(
            Splits(splits.folder),
            "a-version",
            "their digest",
            CHOICES,
            plan,
            "order",
            kept,
            checkpoints,
            folder,
            verify,
        )
        return json.loads((folder / "ablation.json").read_text()), summary

    return run


@pytest.fixture
def trained(monkeypatch):
    """(preset, seed) of each training that is begun."""
    begun, train = [], measure.train

    def counted(data, settings, *more):
        begun.append((settings.training.preset, settings.training.seed))
        return train(data, settings, *more)

    monkeypatch.setattr(measure, "train", counted)
    return begun


def test_a_run_that_was_killed_trains_nothing_again_that_was_finished(run, trained, monkeypatch):
    counted = measure.train

    def killed(data, settings, *more):
        if (settings.training.preset, settings.training.seed) == ("default", 0):
            raise KeyboardInterrupt
        return counted(data, settings, *more)

    monkeypatch.setattr(measure, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(seeds=[0])
    assert trained == [("reference", 0)]
    trained.clear()
    monkeypatch.setattr(measure, "train", counted)
    content, summary = run(seeds=[0])
    assert trained == [("default", 0)]
    assert summary == {"choices": 2, "trainings": 2, "found": 1}
    trained.clear()
    assert run(seeds=[0]) == (content, {**summary, "found": 2}) and trained == []


def test_another_choice_or_seed_trains_only_that_one_and_what_is_damaged_is_trained_again(run, trained, tmp_path):
    run(["default"], [0])
    run(["default", "without logQ"], [0])
    run(["default"], [0, 1])
    assert trained == [("default", 0), ("default", 0), ("default", 1)]
    for damage in (lambda npz: npz.write_bytes(b"PK"), lambda npz: npz.unlink(), change_a_loss):
        trained.clear()
        for path in (tmp_path / "kept").glob("*.npz"):
            damage(path)
        run(["default"], [0])
        assert trained == [("default", 0)]


def test_a_training_on_splits_that_were_damaged_meanwhile_is_not_kept(run, tmp_path):
    def damaged():
        raise ArtifactError("temporal_splits is damaged")

    with pytest.raises(ArtifactError, match="is damaged"):
        run(["reference"], [0], damaged)
    assert not list((tmp_path / "kept").glob("*"))


def change_a_loss(arrays):
    facts = arrays.with_suffix(".json")
    facts.write_text(facts.read_text().replace('"losses": [\n   ', '"losses": [\n   1'))


def test_another_content_of_the_file_of_features_is_another_training(tmp_path):
    path = tmp_path / "features.parquet"
    settings = settings_of(CHOICES["default"], 0, {"towers": {"sum": {"features": str(path)}}}, {}, {})
    keys = set()
    for content in (b"1", b"2"):
        path.write_bytes(content)
        keys.add(key_of(settings, "a-version", "code"))
    assert len(keys) == 2


def test_the_index_is_part_of_a_training_only_where_it_mines_hard_negatives():
    def keys(choice):
        kinds = [{"index": {"kind": kind}} for kind in ("flat", "hnsw")]
        return {key_of(settings_of(CHOICES[choice], 0, given, {}, {}), "a-version", "code") for given in kinds}

    assert (len(keys("default")), len(keys("with hard negatives"))) == (1, 2)


def test_another_number_of_threads_is_another_training(monkeypatch):
    settings, keys = settings_of(CHOICES["default"], 0, {}, {}, {}), set()
    for threads in ("1", "2"):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        keys.add(key_of(settings, "a-version", "code"))
    assert len(keys) == 2


def test_what_is_measured_of_each_choice(run, tmp_path):
    content, _ = run()
    assert content["schema"] == 1 and content["seeds"] == [0, 1]
    assert content["users"] == {"discovery": 60, "next_listen": 60}
    reference, default = content["rows"]
    for row in (reference, default):
        assert [facts["seed"] for facts in row["runs"]] == [0, 1] and row["best_epoch"] == 1
        assert row["seconds"] > 0 and row["targets_per_second"] > 0 and row["parameters"] > 0
        for task in ("discovery", "next_listen"):
            for metric in ("ndcg@10", "recall@100"):
                for what in ("alone", "served"):
                    found = row["tasks"][task][what][metric]
                    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    assert reference["tasks"]["discovery"]["alone"] == reference["tasks"]["discovery"]["served"]  # it knows no scoring
    assert reference["paired"]["discovery"]["served"]["ndcg@10"]["low"] is not None
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        "ablation.json", "ablation.md", "ablation.png", "ablation.svg"
    }  # fmt: skip
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_choice_that_diverges_is_recorded_and_the_others_are_trained(run, monkeypatch):
    train = measure.train

    def diverges(data, settings, *more):
        if settings.training.preset == "reference":
            raise DivergedError("The loss of epoch 1 is not finite.")
        return train(data, settings, *more)

    monkeypatch.setattr(measure, "train", diverges)
    reference, default = run(seeds=[0])[0]["rows"]
    assert reference["diverged"] == [0] and reference["tasks"] == {}
    assert default["diverged"] == [] and "discovery" in default["tasks"]


def test_every_choice_can_be_trained(run):
    content, _ = run(["all"], [0], of_log={"towers": {"user_encoder": "hstu"}})
    assert [row["choice"] for row in content["rows"]] == list(CHOICES)
    assert all(row["diverged"] == [] for row in content["rows"])
