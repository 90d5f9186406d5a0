import pytest

from loopback_core.ablation.choices import CHOICES, Choice, choices_for, choose, plan_of, settings_of
from loopback_core.errors import SettingsError
from loopback_core.settings import RECIPE, Section, load_settings
from loopback_core.training.recipes import Recipe

IN_ORDER = {"towers": {"user_encoder": "hstu"}, "training": {"sampled": {"target_window": 1, "users_per_group": 0}}}


def recipe(preset):
    return load_settings({"training": {"preset": preset, "refit": False, "recipe": "given"}}, {})


def differing(one, other):
    """The keys of towers and training in which two settings differ, the preset's name left out."""
    return _differing(one.towers, other.towers) | _differing(one.training, other.training) - {"preset"}


def _differing(one, other):
    keys = set()
    for key in type(one).model_fields:
        a, b = getattr(one, key), getattr(other, key)
        keys |= _differing(a, b) if isinstance(a, Section) else {key} if a != b else set()
    return keys


def test_all_choices_are_taken_in_the_order_of_the_table_and_the_recipe_always():
    assert choose(["all"], CHOICES) == list(CHOICES)
    assert choose(["without masks", "reference"], CHOICES) == ["reference", RECIPE, "without masks"]


def test_an_unknown_choice_is_a_sentence_that_names_those_that_are_known():
    with pytest.raises(
        SettingsError, match=r"ablation\.choices names 'masks'; known are 'all', 'reference', '\+ masks'"
    ):
        choose(["reference", "masks"], CHOICES)


def test_the_settings_of_the_presets_are_those_of_their_files():
    for choice, preset in (("reference", "reference"), ("+ sparse optimizer", "reference_sparse"), (RECIPE, "default")):
        assert settings_of(CHOICES[choice], 0, {}, {}, {}) == recipe(preset)


@pytest.mark.parametrize(
    ("choice", "preset", "keys"),
    [
        ("+ masks", "reference", {"mask_same_track", "mask_same_user", "mask_known_positives"}),
        ("+ mixed negatives", "reference_sparse", {"objective", "logq"}),
        ("+ logQ 1", "reference_sparse", {"objective"}),
        ("+ history", "reference_sparse", {"objective", "user_encoder", "track_encoder"}),
        ("without masks", "default", {"mask_same_track", "mask_known_positives"}),
        ("without uniform negatives", "default", {"uniform_share"}),
        ("with logQ 0.5", "default", {"logq"}),
        ("with targets at most 32 ahead", "default", {"target_window"}),
        ("all users in a step", "default", {"users_per_group"}),
        ("with context and demographics", "default", {"context", "demographics"}),
    ],
)
def test_a_choice_changes_what_it_is_called_after_and_nothing_else(choice, preset, keys):
    assert differing(settings_of(CHOICES[choice], 0, {}, {}, {}), recipe(preset)) == keys


def test_every_choice_but_the_presets_differs_from_every_other_on_a_log_that_rewards_order():
    merged = [
        settings_of(choice, 0, {}, IN_ORDER, {}) for name, choice in CHOICES.items() if name != "all users in a step"
    ]
    assert all(differing(a, b) for place, a in enumerate(merged) for b in merged[:place])


def test_what_the_run_is_given_holds_but_where_the_choice_says_otherwise_and_nothing_is_refitted():
    given = {
        "training": {"epochs": 1, "sampled": {"logq": 0.25}, "refit": True, "preset": "reference"},
        "towers": {"output_dim": 8},
    }
    chosen = settings_of(CHOICES["without logQ"], 7, given, {}, {})
    assert (chosen.training.epochs, chosen.training.sampled.logq, chosen.towers.output_dim) == (1, 0.0, 8)
    assert (chosen.training.seed, chosen.training.refit, chosen.training.preset) == (7, False, "default")


def test_a_choice_of_the_recipe_starts_at_what_the_search_chose_for_the_log_and_one_of_the_reference_does_not():
    given = {"training": {"sampled": {"target_window": 50}}, "towers": {"output_dim": 8}}
    recipe = settings_of(CHOICES[RECIPE], 0, given, IN_ORDER, {})
    assert (recipe.towers.user_encoder, recipe.training.sampled.target_window, recipe.towers.output_dim) == (
        "hstu",
        1,
        8,
    )
    further = settings_of(CHOICES["with targets at most 32 ahead"], 0, given, IN_ORDER, {})
    assert (further.towers.user_encoder, further.training.sampled.target_window) == ("hstu", 32)
    assert settings_of(CHOICES["+ history"], 0, {}, IN_ORDER, {}).towers.user_encoder == "pooled"


def test_what_changes_nothing_of_the_recipe_of_the_log_is_left_out():
    choices = choices_for([Recipe("pools", {"towers": {"user_encoder": "pooled"}}), Recipe("order", IN_ORDER)])
    names = ["recipe: pools", "recipe: order", "with four blocks", "all users in a step"]
    of_pools = plan_of(names, choices, [0, 1], {}, {}, {})
    assert list(of_pools) == [RECIPE, "all users in a step", "recipe: order"]
    of_order = plan_of(names, choices, [0, 1], {}, IN_ORDER, {})
    assert list(of_order) == [RECIPE, "with four blocks", "recipe: pools"]
    assert [settings.training.seed for settings in of_order[RECIPE]] == [0, 1]
    assert choices["recipe: order"] == Choice(RECIPE, IN_ORDER)
