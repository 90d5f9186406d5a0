import json

import pytest
from planted_log import planted_splits

from loopback_core.settings import load_settings
from loopback_core.training import search as searching
from loopback_core.training.recipes import LONGEST_WINDOW, listens_ahead, recipes_for
from loopback_core.training.search import search_recipe

SMALL = {
    "towers": {"output_dim": 8},
    "training": {"batch_size": 512, "device": "cpu", "sampled": {"negatives": 32, "epoch_targets": 2000}},
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def settings():
    return load_settings(SMALL, {})


@pytest.fixture(scope="module")
def found(planted, settings, tmp_path_factory):
    return search_recipe(planted.tuning_period, settings, tmp_path_factory.mktemp("search"))


def test_the_better_half_is_trained_on_until_one_is_left(found, planted):
    names = {recipe.name for recipe in recipes_for(planted.tuning_period, in_order=True)}
    assert len(names) == 4
    rounds = [[trial for trial in found.trials if trial.epochs == epochs] for epochs in (1, 2)]
    assert {trial.recipe for trial in rounds[0]} == names
    best_two = sorted(rounds[0], key=lambda trial: -trial.value)[:2]
    assert {trial.recipe for trial in rounds[1]} == {trial.recipe for trial in best_two}
    assert found.chosen.name == max(rounds[1], key=lambda trial: trial.value).recipe
    assert found.as_json() == json.loads(json.dumps(found.as_json()))


def test_a_killed_search_goes_on_where_it_stopped(found, planted, settings, tmp_path, monkeypatch):
    train, calls = searching.train, []

    def dies_at_the_third(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(searching, "train", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        search_recipe(planted.tuning_period, settings, tmp_path)
    again = search_recipe(planted.tuning_period, settings, tmp_path)
    assert len(calls) == 7  # six trials, of which one was begun twice

    def outcome(search):
        return [(trial.recipe, trial.epochs, trial.value) for trial in search.trials]

    assert outcome(again) == outcome(found)


def test_a_long_log_is_represented_by_some_of_its_users(planted, settings, tmp_path):
    section = settings.training.model_copy(
        update={"search": settings.training.search.model_copy(update={"listens": 900})}
    )
    searched = search_recipe(planted.tuning_period, settings.model_copy(update={"training": section}), tmp_path)
    assert 900 <= searched.listens < len(planted.train)
    assert searched.checkpoints is None  # the towers of some users are not those of all


def test_how_far_ahead_targets_lie_follows_from_the_period(planted):
    period = planted.tuning_period
    assert listens_ahead(period) == 16  # every user plays eight tracks twice
    windows = [r.overrides["training"]["sampled"].get("target_window") for r in recipes_for(period, in_order=True)]
    assert windows == [None, 1, 1, 16]  # sixty listens to a history: each can be read one by one
    assert 1 <= listens_ahead(planted.testing_period) <= LONGEST_WINDOW


def test_without_time_for_the_order_of_listens_one_recipe_is_left(planted):
    assert [recipe.name for recipe in recipes_for(planted.tuning_period, in_order=False)] == ["pools"]


@pytest.mark.parametrize(
    ("given", "recipe"),
    [
        ({}, "search"),
        ({"training": {"epochs": 2}}, "search"),
        ({"training": {"recipe": "given"}}, "given"),
        ({"towers": {"user_encoder": "hstu", "hstu": {"layers": 4}}}, "given"),
        ({"training": {"sampled": {"target_window": 5}}}, "given"),
        ({"training": {"recipe": "search", "sampled": {"logq": 0.5}}}, "search"),
    ],
)
def test_a_run_that_says_what_a_search_would_choose_is_not_searched(given, recipe):
    assert load_settings(given, {}).training.recipe == recipe


def test_a_recipe_changes_nothing_else(settings, planted):
    for recipe in recipes_for(planted.tuning_period, in_order=True):
        chosen = recipe.settings(settings)
        assert chosen.training.sampled.negatives == 32
        assert chosen.towers.output_dim == 8
        assert chosen.training.seed == settings.training.seed
