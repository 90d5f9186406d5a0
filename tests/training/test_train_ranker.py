"""What is fitted on validation reads towers that have not seen it, and can be read back."""

import json

import numpy as np
import pytest
import torch
from planted_log import planted_splits

from loopback_core.data import Events
from loopback_core.ranking.corrector_files import load_correctors
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, load_rankers
from loopback_core.ranking.pair_features import personal_bags
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.terms import Listened
from loopback_core.reranking.choosing import load_reranking
from loopback_core.settings import load_settings
from loopback_core.splits import Splits
from loopback_core.tasks.task_builders import IN_CATALOG, TASKS
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.training import train_ranker as ranker_step
from loopback_core.training.train import TUNED
from loopback_core.training.train_ranker import RANKED_TASKS, TunedTowers, train_ranker


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def towers(planted, tmp_path_factory):
    """Untrained ones of train, below ones of another size that are served."""
    folder = tmp_path_factory.mktemp("towers")
    (folder / TUNED).mkdir()
    settings = settings_of()
    for place, data in ((folder, planted.testing), (folder / TUNED, planted.tuning)):
        torch.manual_seed(0)
        catalog = data.catalog
        TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), settings.towers).save(place)
        Relations.learn(data, 100, 20).save(place)
    return folder


@pytest.fixture(autouse=True)
def few_moments(monkeypatch):
    monkeypatch.setattr(ranker_step, "MOMENTS", (0.0, 0.5))


def settings_of(ranker="auto", **training):
    given = {"towers": {"output_dim": 8}, "training": training, "ranking": {"ranker": ranker, "places": 60}}
    return load_settings(given, environ={})


@pytest.mark.parametrize("kind", ["lightgbm", "cross_encoder"])
def test_all_that_is_fitted_can_be_read_back(planted, towers, tmp_path, kind):
    summary = train_ranker(planted, towers, settings_of(kind), tmp_path)
    assert json.loads(json.dumps(summary))["correctors"] == summary["correctors"]
    rankers, correctors = load_rankers(tmp_path), load_correctors(tmp_path)
    assert {task: ranker.as_json() for task, ranker in rankers.items()} == summary["scoring"]
    assert set(rankers) == set(TASKS) and set(load_reranking(tmp_path)) == set(IN_CATALOG)
    assert (
        set(correctors) == set(RANKED_TASKS) == {task for task, facts in summary["correctors"].items() if facts["used"]}
    )
    assert {of.places for of in correctors.values()} == {60}
    for facts in summary["correctors"].values():
        assert facts["kind"] == kind and facts["steps"] > 0 and bool(facts["gains"]) is (kind == "lightgbm")
        assert facts["users"] == 60 and facts["requests"] > facts["users"]
        assert facts["without"]["towers"]["error"] > 0


def test_nothing_is_fitted_where_the_settings_say_so(planted, towers, tmp_path):
    summary = train_ranker(planted, towers, settings_of("none"), tmp_path)
    assert summary["correctors"] == load_correctors(tmp_path) == {}
    assert summary["scoring"]["discovery"]["weights"]


def test_towers_that_are_served_alone_have_no_ranker(planted, towers, tmp_path):
    summary = train_ranker(planted, towers, settings_of(scoring="dot"), tmp_path)
    assert set(load_rankers(tmp_path).values()) == {TOWERS_ALONE}
    assert summary["correctors"] == load_correctors(tmp_path) == load_reranking(tmp_path) == {}


def test_what_is_played_after_a_moment_changes_no_feature_of_its_requests(planted, towers):
    """The labels are the listens after the moment: with others in their place every feature is the same, bit for bit."""
    shuffled = Splits(planted.folder)
    known = planted.validation
    moment = int(0.5 * len(known))
    other = np.random.default_rng(0).permutation(known.track[moment:])
    shuffled.__dict__["validation"] = Events(known.user, np.r_[known.track[:moment], other], known.timestamp)
    features = []
    for splits in (planted, shuffled):
        tuned = TunedTowers(splits, TwoTower.load(towers / TUNED), Relations.load(towers / TUNED), settings_of())
        *_, last = tuned.moments()
        task = TASKS["next_listen"](last.period)
        scorer = last.scorer(task)
        users = scorer.encode(task.histories)
        row = np.repeat(np.arange(5), 20)
        track = np.tile(np.arange(20), 5)
        bags = personal_bags(Listened(task.histories, scorer.knowledge))
        features.append((task.users[:5], scorer.features(users.vectors, bags, row, track)))
    assert np.array_equal(features[0][0], features[1][0])
    assert np.array_equal(features[0][1], features[1][1]) and np.abs(features[0][1]).max() > 0


def test_a_large_catalog_is_asked_for_less_often(planted, towers, monkeypatch):
    model = TwoTower.load(towers / TUNED)
    tuned = TunedTowers(planted, model, Relations.load(towers / TUNED), settings_of())
    moment = next(tuned.moments())

    def asked():
        return {task.name: len(task.users) for task, _ in moment.asked(["discovery", "next_listen"], 40)}

    assert asked()["next_listen"] == 20  # of two moments
    monkeypatch.setattr(ranker_step, "FEWEST_REQUESTS", 4)
    monkeypatch.setattr(ranker_step, "SCORED_PAIRS", 10 * planted.tuning.catalog.n_tracks)
    assert asked()["next_listen"] == 5
    monkeypatch.setattr(ranker_step, "SCORED_PAIRS", 1)
    assert asked()["next_listen"] == 2


def test_tasks_of_the_same_users_read_what_each_would_read_alone(planted, towers):
    model = TwoTower.load(towers / TUNED)
    moment = next(TunedTowers(planted, model, Relations.load(towers / TUNED), settings_of()).moments())
    for task, listened in moment.asked(["discovery", "next_listen"], 40):
        alone = Listened(task.histories, listened.knowledge)
        assert np.array_equal(listened.histories.tracks.values, task.histories.tracks.values)
        some = listened.take(np.array([3, 1]))
        for (_, bag), (_, other), (_, two) in zip(*map(personal_bags, (listened, alone, some)), strict=True):
            for name in ("items", "weights", "row"):
                assert np.array_equal(getattr(bag, name), getattr(other, name))
            assert np.array_equal(two.items, np.concatenate([bag.of_row(3).items, bag.of_row(1).items]))
