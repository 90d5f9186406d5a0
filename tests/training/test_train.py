import json

import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.errors import SettingsError
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import scorer_of
from loopback_core.recommenders.baselines.popularity import PopularityUsers
from loopback_core.recommenders.lists import rank_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.settings import load_settings
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import discovery
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training import train as training_step
from loopback_core.training.train import bounded, train_towers, tuned_towers

SMALL = {"output_dim": 16}
SMALL_MLP = {"mlp": {"id_dim": 16, "hidden_dim": 32}, "output_dim": 16}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


def settings_of(preset, **training):
    given = {"preset": preset, "batch_size": 256, "learning_rate": 0.01, "epochs": 8, "device": "cpu", **training}
    if preset == "default":
        given = {"sampled": {"negatives": 64, "users_per_group": 0}, **given}
    return load_settings({"towers": SMALL if preset == "default" else SMALL_MLP, "training": given}, environ={})


def recall_at_10(recommender, task):
    return per_user_metrics(rank_users(recommender, task, 10), task.positives, [10])["recall@10"].mean()


@pytest.mark.parametrize("preset", ["default", "reference", "reference_sparse"])
def test_the_towers_find_planted_tastes_that_popularity_cannot(planted, tmp_path, preset):
    for name in ("towers", "checkpoints"):
        (tmp_path / name).mkdir()
    summary = train_towers(planted, settings_of(preset), tmp_path / "towers", tmp_path / "checkpoints")

    task = discovery(planted.testing_period)
    assert len(task.users) == 60 and set(task.positives.lengths) == {12}
    model = TwoTower.load(tmp_path / "towers")
    towers = recall_at_10(TowersRecommender(scorer_of(task, model), 0), task)
    popularity = recall_at_10(PopularityUsers().fit(task.fit), task)
    assert popularity < 0.15  # 10 of 162 candidates by chance: .06
    assert towers > 0.6  # knowing the groups and nothing else: 10 / 12
    assert summary["best"]["validation"]["discovery/recall@10"] > 0.4  # the groups alone: 10 / 20; by chance .06
    assert summary["losses"][-1] < summary["losses"][0]


def test_what_training_leaves_behind_can_be_read_back(planted, tmp_path):
    for name in ("towers", "checkpoints"):
        (tmp_path / name).mkdir()
    summary = train_towers(
        planted, settings_of("reference_sparse", epochs=2, seed=5), tmp_path / "towers", tmp_path / "checkpoints"
    )
    names = {path.name for path in (tmp_path / "towers").iterdir()}
    assert names == {"towers.safetensors", "towers.json", "accumulators.safetensors", "history.json"}
    history = json.loads((tmp_path / "towers" / "history.json").read_text())
    assert [epoch["loss"] for epoch in history["epochs"]] == summary["losses"]
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["preset"], summary["seed"], summary["device"]) == ("reference_sparse", 5, "cpu")
    assert summary["vocabulary"] == {
        "n_users": 60, "n_tracks": 200, "n_artists": 40, "n_statistics": 0, "n_columns": 0
    }  # fmt: skip


def test_relations_are_of_what_the_weights_are_of(planted, tmp_path):
    """With a refit of train and validation; the towers alone are served without any."""
    expected = {
        "of train": (planted.tuning, {"scoring": "fitted"}),
        "of both": (planted.testing, {"scoring": "fitted", "refit": True}),
        "none": (None, {"scoring": "fitted", "fitted": {"related_artists": 0, "neighbours": 0}}),
        "alone": (None, {"scoring": "dot"}),
    }
    for name, (data, given) in expected.items():
        for folder in ("towers", "checkpoints"):
            (tmp_path / name / folder).mkdir(parents=True)
        chosen = settings_of("reference_sparse", epochs=1, **given)
        train_towers(planted, chosen, tmp_path / name / "towers", tmp_path / name / "checkpoints")
        kept = Relations.load(tmp_path / name / "towers")
        tuned = tuned_towers(tmp_path / name / "towers")
        assert (tuned == tmp_path / name / "towers") is (name != "of both")
        assert TwoTower.load(tuned).vocabulary.n_tracks == planted.tuning.catalog.n_tracks
        if data is None:
            assert kept == Relations()
        else:
            expected_arrays = Relations.learn(data, 4096, 100).arrays()
            assert kept.arrays().keys() == expected_arrays.keys() and len(expected_arrays) == 3
            for array, values in kept.arrays().items():
                assert np.array_equal(values, expected_arrays[array])


def test_a_validation_metric_that_is_not_measured_ends_in_a_sentence_before_training(planted, tmp_path):
    settings = settings_of("reference", validation_metric="discovery/ndcg@50")
    with pytest.raises(SettingsError, match=r"training\.validation_metric is 'discovery/ndcg@50'.*discovery/ndcg@10"):
        train_towers(planted, settings, tmp_path, tmp_path)


@pytest.mark.parametrize(("share", "is_made"), [(0.01, True), (10.0, False)])
def test_a_refit_is_made_only_where_validation_has_enough_listens(planted, tmp_path, monkeypatch, share, is_made):
    monkeypatch.setattr(training_step, "WORTH_A_REFIT", share)
    for name in ("towers", "checkpoints"):
        (tmp_path / name).mkdir()
    chosen = settings_of("default", epochs=1, refit=True)
    summary = train_towers(planted, chosen, tmp_path / "towers", tmp_path / "checkpoints")
    history = json.loads((tmp_path / "towers" / "history.json").read_text())
    assert summary["refit"] is summary["settings"]["training"]["refit"] is ("refit" in history) is is_made
    assert (
        TwoTower.load(tmp_path / "towers").vocabulary.n_tracks
        == (planted.testing if is_made else planted.tuning).catalog.n_tracks
    )


@pytest.mark.parametrize(
    ("listens", "training", "expected"),
    [
        (50_000, {}, (48, 5)),
        (350_000, {}, (46, 5)),
        (1_000_000, {}, (16, 2)),
        (19_000_000, {}, (16, 2)),  # an epoch is a part of the log
        (19_000_000, {"epochs": 3}, (3, 5)),
        (350_000, {"epochs": 100, "patience": 1}, (46, 1)),
        (19_000_000, {"preset": "reference"}, (3, 3)),
    ],
)
def test_a_short_log_has_more_epochs_and_more_patience(listens, training, expected):
    settings = bounded(load_settings({"training": training}, environ={}), listens)
    assert (settings.training.epochs, settings.training.patience) == expected
