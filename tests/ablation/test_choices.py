import pytest

from loopback_core.ablation.choices import CHOICES, RECIPE, choose, settings_of
from loopback_core.errors import SettingsError
from loopback_core.settings import Section, load_settings


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
    assert choose(["all"]) == list(CHOICES)
    assert choose(["without masks", "reference"]) == ["reference", RECIPE, "without masks"]


def test_an_unknown_choice_is_a_sentence_that_names_those_that_are_known():
    with pytest.raises(
        SettingsError, match=r"ablation\.choices names 'masks'; known are 'all', 'reference', '\+ masks'"
    ):
        choose(["reference", "masks"])


def test_the_settings_of_the_presets_are_those_of_their_files():
    for choice, preset in (("reference", "reference"), ("+ sparse optimizer", "reference_sparse"), (RECIPE, "default")):
        assert settings_of(choice, 0, {}, {}) == recipe(preset)


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
        ("with nearer targets", "default", {"target_window"}),
        ("all users in a step", "default", {"users_per_group"}),
        ("with context and demographics", "default", {"context", "demographics"}),
    ],
)
def test_a_choice_changes_what_it_is_called_after_and_nothing_else(choice, preset, keys):
    assert differing(settings_of(choice, 0, {}, {}), recipe(preset)) == keys


def test_every_choice_but_the_presets_differs_from_every_other():
    merged = [settings_of(choice, 0, {}, {}) for choice in CHOICES]
    assert all(differing(a, b) for place, a in enumerate(merged) for b in merged[:place])


def test_what_the_run_is_given_holds_but_where_the_choice_says_otherwise_and_nothing_is_refitted():
    given = {
        "training": {"epochs": 1, "sampled": {"logq": 0.25}, "refit": True, "preset": "reference"},
        "towers": {"output_dim": 8},
    }
    chosen = settings_of("without logQ", 7, given, {})
    assert (chosen.training.epochs, chosen.training.sampled.logq, chosen.towers.output_dim) == (1, 0.0, 8)
    assert (chosen.training.seed, chosen.training.refit, chosen.training.preset) == (7, False, "default")
