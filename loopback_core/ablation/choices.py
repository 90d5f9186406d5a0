"""The choices of an ablation: from the reference upwards, and each choice removed from the recipe that a log got."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopback_core.errors import SettingsError
from loopback_core.settings import RECIPE, Settings, load_settings, merged
from loopback_core.training.recipes import Overrides, Recipe

_MASKS = {"mask_same_track": True, "mask_known_positives": True}
_NO_MASKS = dict.fromkeys(_MASKS, False)
_HISTORIES = {"user_encoder": "pooled", "track_encoder": "sum"}
_SHORT = {"artist_half_lives": [14.0], "artist_powers": [1.0], "track_half_lives": [30.0], "track_powers": [1.0]}


def _mixed(logq: float) -> dict[str, Any]:
    return {"objective": "sampled", "sampled": {"uniform_share": 0.5, "logq": logq}}


@dataclass(frozen=True)
class Choice:
    """A preset, and what is changed of it."""

    preset: str
    changes: Overrides = field(default_factory=dict)


def _recipe(**changes: Any) -> Choice:
    return Choice(RECIPE, changes)


CHOICES = {
    "reference": Choice("reference"),
    "+ masks": Choice("reference", {"training": {**_MASKS, "in_batch": {"mask_same_user": True}}}),
    "+ sparse optimizer": Choice("reference_sparse"),
    "+ mixed negatives": Choice("reference_sparse", {"training": _mixed(logq=0.0)}),
    "+ logQ 0.5": Choice("reference_sparse", {"training": _mixed(logq=0.5)}),
    "+ logQ 1": Choice("reference_sparse", {"training": _mixed(logq=1.0)}),
    "+ history": Choice("reference_sparse", {"towers": _HISTORIES, "training": _mixed(logq=1.0)}),
    RECIPE: _recipe(),
    "without masks": _recipe(training=_NO_MASKS),
    "without uniform negatives": _recipe(training={"sampled": {"uniform_share": 0.0}}),
    "without logQ": _recipe(training={"sampled": {"logq": 0.0}}),
    "with logQ 0.5": _recipe(training={"sampled": {"logq": 0.5}}),
    "without long memory": _recipe(towers={"pooled": _SHORT}),
    "without history dropout": _recipe(towers={"pooled": {"dropout": 0.0}}),
    "without id dropout": _recipe(towers={"sum": {"id_dropout": 0.0}}),
    "without averaging": _recipe(training={"average_epochs": False}),
    "without related artists": _recipe(training={"fitted": {"related_artists": 0}}),
    "with names": _recipe(towers={"sum": {"ngram_buckets": 65_536}}),
    "with track statistics": _recipe(towers={"sum": {"track_statistics": True}}),
    "with hard negatives": _recipe(training={"sampled": {"hard_share": 0.25}}),
    "with twice the negatives": _recipe(training={"sampled": {"negatives": 4096}}),
    "repeats weigh a quarter": _recipe(training={"sampled": {"repeat_weight": 0.25}}),
    "with shorter stretches": _recipe(training={"sampled": {"request_span": 128}}),
    "with targets at most 32 ahead": _recipe(training={"sampled": {"target_window": 32}}),
    "all users in a step": _recipe(training={"sampled": {"users_per_group": 0}}),
    "without pools": _recipe(towers={"user_encoder": "hstu", "pooled": {"listens": 0}}),
    "with own tables": _recipe(towers={"hstu": {"own_tables": True}}),
    "with one block": _recipe(towers={"hstu": {"layers": 1}}),
    "with four blocks": _recipe(towers={"hstu": {"layers": 4}}),
    "with context and demographics": _recipe(towers={"pooled": {"context": True, "demographics": True}}),
}
"""Name -> choice, in the order of the table."""

OTHER_RECIPE = "recipe: "
"""How the names of choices begin that are recipes which the search of a log did not choose."""


def choices_for(recipes: Sequence[Recipe]) -> dict[str, Choice]:
    """CHOICES, and the recipes that a search compares."""
    return CHOICES | {f"{OTHER_RECIPE}{recipe.name}": Choice(RECIPE, recipe.overrides) for recipe in recipes}


def choose(names: Sequence[str], choices: Mapping[str, Choice]) -> list[str]:
    """The choices of these names in the order of the table; 'all' means every one, and the recipe is always among them.

    Raises:
        SettingsError: a name is neither 'all' nor a choice.
    """
    if unknown := [name for name in names if name not in choices and name != "all"]:
        raise SettingsError(
            f"ablation.choices names {', '.join(map(repr, unknown))}; known are 'all', {', '.join(map(repr, choices))}."
        )
    return [name for name in choices if "all" in names or name in names or name == RECIPE]


def settings_of(
    choice: Choice,
    seed: int,
    given: Overrides | None = None,
    of_log: Overrides | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings under which a choice is trained.

    given: overrides of the run, such as fewer epochs. of_log: what the search chose for the log, which comes before them in
    choices of the recipe; the values of the choice come before both. Keys of kinds that the choice does not have are left out.
    A refit reads validation, on which choices are measured: it is switched off, and so is the search, which would choose anew.
    """
    base = merged(given or {}, of_log or {}) if choice.preset == RECIPE else given or {}
    training = {
        **choice.changes.get("training", {}),
        "preset": choice.preset,
        "seed": seed,
        "refit": False,
        "recipe": "given",
        "workers": 1,  # some choices cannot be shared, and all are trained alike
    }
    overrides = merged(base, {**choice.changes, "training": training})
    return load_settings(overrides, environ, leave_out_unread=True)


def plan_of(
    names: Sequence[str],
    choices: Mapping[str, Choice],
    seeds: Sequence[int],
    given: Overrides | None = None,
    of_log: Overrides | None = None,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, list[Settings]]:
    """Choice -> its settings, one for each seed. A choice that changes nothing of the recipe of this log is left out.

    See :func:`choose` and :func:`settings_of`.
    """
    plan = {
        name: [settings_of(choices[name], seed, given, of_log, environ) for seed in seeds]
        for name in choose(names, choices)
    }
    return {name: settings for name, settings in plan.items() if name == RECIPE or settings != plan[RECIPE]}
