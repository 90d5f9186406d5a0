"""Settings read from defaults, a preset, a TOML file and overrides.

The order of precedence, weakest first: the defaults of the sections, the preset, the file in `LOOPBACK_CONFIG`,
`LOOPBACK_SOURCE`, the overrides (the launchpad or `--config-json`).
"""

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from loopback_core.errors import SettingsError
from loopback_core.settings.settings import Settings
from loopback_core.settings.training_settings import TrainingSettings

RECIPE = "default"
"""The preset that is used where none is named."""


def load_settings(
    overrides: Mapping[str, Mapping[str, Any]] | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Read the settings from the file, the environment and `overrides` (section -> key -> value).

    Raises:
        SettingsError: a file is missing or is no TOML, or a key is unknown, of the wrong type or out of range.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if path := environ.get("LOOPBACK_CONFIG"):
        layers.append((f"LOOPBACK_CONFIG ({path})", _read_toml(Path(path), "LOOPBACK_CONFIG")))
    if source := environ.get("LOOPBACK_SOURCE"):
        layers.append(("LOOPBACK_SOURCE", {"source": {"name": source}}))
    layers.append(("the overrides", overrides or {}))

    preset = TrainingSettings().preset
    for _, layer in layers:
        training = layer.get("training")
        if isinstance(training, Mapping) and isinstance(training.get("preset"), str):
            preset = training["preset"]
    layers.insert(0, (f"preset {preset!r}", _read_preset(preset)))
    if preset not in shipped_presets():  # a preset of somebody's own says what it changes of the recipe
        layers.insert(0, ("the default preset", _read_preset(TrainingSettings().preset)))

    merged: dict[str, Any] = {}
    for origin, layer in layers:
        _validated(layer, origin)  # a mistake is reported with the place it stands in
        for section, values in layer.items():
            merged[section] = {**merged.get(section, {}), **values}
    return _validated(merged, "the settings together")


def shipped_presets() -> list[str]:
    """Names of the presets inside the package."""
    folder = resources.files("loopback_core") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read_preset(name: str) -> dict[str, Any]:
    if name in shipped_presets():
        return tomllib.loads((resources.files("loopback_core") / "presets" / f"{name}.toml").read_text("utf-8"))
    if name.endswith(".toml"):
        return _read_toml(Path(name), "training.preset")
    known = ", ".join(shipped_presets())
    raise SettingsError(f"training.preset is {name!r}; it must be one of {known}, or the path of a .toml file.")


def _read_toml(path: Path, named_by: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no settings file {path}; correct or unset {named_by}.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}); correct or unset {named_by}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}.") from None


def _validated(values: Mapping[str, Any], origin: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"Settings of {origin}: " + "; ".join(_sentence(e) for e in error.errors()) + ".") from None


def _sentence(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = Settings.model_fields
        if len(error["loc"]) > 1:
            section = known[error["loc"][0]].annotation
            known = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else known
        return f"{key} is no setting; known are {', '.join(known)}"
    return f"{key} = {error['input']!r} is wrong: {error['msg'].removeprefix('Input ').lower()}"
