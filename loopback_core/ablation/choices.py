"""The choices of an ablation: from the reference upwards, and each choice removed from the whole recipe."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from loopback_core.errors import SettingsError
from loopback_core.settings import RECIPE, Settings, load_settings

Overrides = Mapping[str, Mapping[str, Any]]
"""Section -> key -> value."""

_MASKS = {"mask_same_track": True, "mask_same_user": True, "mask_known_positives": True}
_MIXED = {"objective": "sampled", "uniform_share": 0.5, "logq": 0.0}
_IDS = {"user_encoder": "id", "track_encoder": "mlp"}
_HISTORIES = {"user_encoder": "pooled", "track_encoder": "sum"}
_SHORT = {"artist_half_lives": [14.0], "artist_powers": [1.0], "track_half_lives": [30.0], "track_powers": [1.0]}

CHOICES: dict[str, tuple[str, Overrides]] = {
    "reference": ("reference", {}),
    "+ masks": ("reference", {"training": _MASKS}),
    "+ sparse optimizer": ("reference_sparse", {}),
    "+ mixed negatives": ("reference_sparse", {"towers": _IDS, "training": _MIXED}),
    "+ logQ 0.5": ("reference_sparse", {"towers": _IDS, "training": _MIXED | {"logq": 0.5}}),
    "+ logQ 1": ("reference_sparse", {"towers": _IDS, "training": _MIXED | {"logq": 1.0}}),
    "+ history": ("reference_sparse", {"towers": _HISTORIES, "training": _MIXED | {"logq": 1.0}}),
    RECIPE: ("default", {}),
    "without masks": ("default", {"training": dict.fromkeys(_MASKS, False)}),
    "without uniform negatives": ("default", {"training": {"uniform_share": 0.0}}),
    "without logQ": ("default", {"training": {"logq": 0.0}}),
    "with logQ 0.5": ("default", {"training": {"logq": 0.5}}),
    "without long memory": ("default", {"towers": _SHORT}),
    "without history dropout": ("default", {"towers": {"history_dropout": 0.0}}),
    "without id dropout": ("default", {"towers": {"id_dropout": 0.0}}),
    "without averaging": ("default", {"training": {"average_epochs": False}}),
    "without related artists": ("default", {"training": {"related_artists": 0}}),
    "with names": ("default", {"towers": {"ngram_buckets": 65_536}}),
    "with track statistics": ("default", {"towers": {"track_statistics": True}}),
    "with hard negatives": ("default", {"training": {"hard_share": 0.25}}),
    "with a memory": ("default", {"training": {"memory": 8192}}),
    "with twice the negatives": ("default", {"training": {"negatives": 4096}}),
    "repeats weigh a quarter": ("default", {"training": {"repeat_weight": 0.25}}),
    "with shorter stretches": ("default", {"training": {"request_span": 128}}),
    "with nearer targets": ("default", {"training": {"target_window": 32}}),
    "all users in a step": ("default", {"training": {"users_per_group": 0}}),
    "with EMA": ("default", {"towers": {"user_encoder": "ema"}}),
    "with a transformer": ("default", {"towers": {"user_encoder": "transformer"}}),
    "with context and demographics": ("default", {"towers": {"context": True, "demographics": True}}),
}
"""Name -> (preset, what the choice changes of it), in the order of the table."""


def choose(names: Sequence[str]) -> list[str]:
    """The choices of these names in the order of the table; 'all' means every one, and the recipe is always among them.

    Raises:
        SettingsError: a name is neither 'all' nor a choice.
    """
    if unknown := [name for name in names if name not in CHOICES and name != "all"]:
        raise SettingsError(
            f"ablation.choices names {', '.join(map(repr, unknown))}; known are 'all', {', '.join(map(repr, CHOICES))}."
        )
    return [name for name in CHOICES if "all" in names or name in names or name == RECIPE]


def settings_of(
    choice: str, seed: int, given: Overrides | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings under which a choice is trained.

    given: overrides of the run, such as fewer epochs, which hold for every choice but where it says otherwise itself. A
    refit reads validation, on which choices are measured: there is none.
    """
    preset, changes = CHOICES[choice]
    merged = {section: dict(values) for section, values in (given or {}).items()}
    for section, values in changes.items():
        merged[section] = {**merged.get(section, {}), **values}
    merged["training"] = {**merged.get("training", {}), "preset": preset, "seed": seed, "refit": False}
    return load_settings(merged, environ)
