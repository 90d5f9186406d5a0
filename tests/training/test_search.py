import json
from dataclasses import replace

import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.data import Events
from loopback_core.settings import load_settings
from loopback_core.training import search as searching
from loopback_core.training.recipes import COST_OF_ORDER, READINGS, listens_apart, recipes_for
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
    assert len(names) == 3
    rounds = found.trials[:3], found.trials[3:]
    assert {trial.recipe: trial.epochs for trial in rounds[0]}["pools"] == COST_OF_ORDER
    assert sorted(trial.epochs for trial in rounds[0]) == [1, 1, COST_OF_ORDER]
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
    assert len(calls) == 6  # five trials, of which one was begun twice

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


def test_long_histories_are_read_less_often(planted):
    period = planted.tuning_period
    assert listens_apart(period) == 1  # sixty listens to a history
    fit = period.fit
    again = Events(*(np.tile(values, 10) for values in (fit.events.user, fit.events.track, fit.events.timestamp)))
    longer = replace(period, fit=replace(fit, events=again))
    assert listens_apart(longer) == 600 // READINGS
    windows = [r.overrides["training"]["sampled"].get("target_window") for r in recipes_for(longer, in_order=True)]
    assert windows == [None, 600 // READINGS, 600 // READINGS]


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
