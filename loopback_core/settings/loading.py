"""Settings read from defaults, a preset, a TOML file and overrides.

The order of precedence, weakest first: the defaults of the sections, the preset, the file in `LOOPBACK_CONFIG`,
`LOOPBACK_SOURCE`, the overrides (the launchpad or `--config-json`). A layer that chooses another kind (an objective, an
encoder, an index) replaces what weaker layers say of the kind before.
"""

import os
from collections.abc import Mapping
from typing import Any

from loopback_core.settings.layers import Layer, Values, check_layer, holds, merged, whole, without_unread
from loopback_core.settings.settings import Settings
from loopback_core.settings.toml_files import read_preset, read_toml, shipped_presets
from loopback_core.settings.training_settings import TrainingSettings

SEARCHED = (
    "towers.user_encoder",
    "towers.hstu",
    "training.objective",
    "training.sampled.target_window",
    "training.sampled.request_stride",
    "training.sampled.uniform_share",
    "training.sampled.logq",
    "training.sampled.users_per_group",
)
"""What a search of recipes changes. A layer that names one of these after a preset has asked for a search means what it says."""

RECIPE = "default"
"""The preset that is used where none is named."""


def load_settings(
    overrides: Values | None = None, environ: Mapping[str, str] = os.environ, *, leave_out_unread: bool = False
) -> Settings:
    """Read the settings from the file, the environment and `overrides` (section -> key -> value).

    leave_out_unread: a key that the chosen kind does not read is left out instead of refused.

    Raises:
        SettingsError: a file cannot be read, a key is unknown, of the wrong type or out of range, keys contradict each
            other, or the chosen kind does not read one of them.
    """
    layers: list[Layer] = []
    if path := environ.get("LOOPBACK_CONFIG"):
        layers.append((f"LOOPBACK_CONFIG ({path})", read_toml(path, "LOOPBACK_CONFIG")))
    if source := environ.get("LOOPBACK_SOURCE"):
        layers.append(("LOOPBACK_SOURCE", {"source": {"name": source}}))
    layers.append(("the overrides", overrides or {}))

    preset = TrainingSettings().preset
    for _, given in layers:
        training = given.get("training")
        if isinstance(training, Mapping) and isinstance(training.get("preset"), str):
            preset = training["preset"]
    layers.insert(0, (f"preset {preset!r}", read_preset(preset)))
    if preset not in shipped_presets():  # a user's own preset says what it changes of the recipe
        layers.insert(0, ("the default preset", read_preset(RECIPE)))

    values: dict[str, Any] = {}
    for layer in layers:
        check_layer(layer)  # a mistake is reported with its layer
        values = merged(values, layer[1])
        if any(holds(layer[1], key) for key in SEARCHED) and not holds(layer[1], "training.recipe"):
            values = merged(values, {"training": {"recipe": "given"}})
    return whole(without_unread(values) if leave_out_unread else values, layers)


def without_searched(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dumped settings without what a search chose, where one was made."""
    if settings["training"].get("recipe") != "search":
        return dict(settings)
    return _without(settings, {tuple(key.split(".")) for key in SEARCHED})


def searched_only(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a search can choose of dumped settings, and nothing else; a key that they do not hold is left out."""
    chosen: dict[str, Any] = {}
    for key in SEARCHED:
        *sections, last = key.split(".")
        value: Any = settings
        for section in sections:
            value = value.get(section, {})
        if last in value:
            inner = {last: value[last]}
            for section in reversed(sections):
                inner = {section: inner}
            chosen = merged(chosen, inner)
    return chosen


def _without(values: Mapping[str, Any], keys: set[tuple[str, ...]]) -> dict[str, Any]:
    left = {name: value for name, value in values.items() if (name,) not in keys}
    inside = {name: {key[1:] for key in keys if key[0] == name and len(key) > 1} for name in left}
    return {name: _without(value, inside[name]) if inside[name] else value for name, value in left.items()}
