import pytest

from loopback_core.errors import SettingsError
from loopback_core.lineage.families import FAMILIES, PLAIN_TOWERS, chosen_families, settings_of_family


def test_all_families_are_taken_in_the_order_of_the_table_and_the_plain_towers_always():
    assert [family.name for family in chosen_families(["all"])] == list(FAMILIES)
    assert [family.name for family in chosen_families(["late", "mean_pool"])] == [PLAIN_TOWERS, "mean_pool", "late"]


def test_an_unknown_family_is_a_sentence_that_names_those_that_are_known():
    with pytest.raises(SettingsError, match=r"^lineage\.families names 'colbert'; known are 'all', 'two_tower', "):
        chosen_families(["late", "colbert"])


def test_the_two_towers_of_2016_and_2019_differ_in_the_correction_alone():
    first, second = (settings_of_family(FAMILIES[name], 0, {}, {}) for name in ("mean_pool", "mean_pool_logq"))
    assert (first.training.sampled.logq, second.training.sampled.logq) == (0.0, 1.0)
    sampled = first.training.sampled.model_copy(update={"logq": 1.0})
    assert second == first.model_copy(update={"training": first.training.model_copy(update={"sampled": sampled})})


def test_what_the_run_is_given_holds_but_nothing_is_refitted_or_searched():
    given = {"training": {"epochs": 1, "refit": True, "preset": "reference"}, "towers": {"output_dim": 8}}
    for family in FAMILIES.values():
        settings = settings_of_family(family, 7, given, {})
        assert (settings.training.epochs, settings.towers.output_dim, settings.training.seed) == (1, 8, 7)
        assert (settings.training.refit, settings.training.recipe, settings.training.scoring) == (False, "given", "dot")
