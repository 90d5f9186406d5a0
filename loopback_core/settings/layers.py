"""Layers of settings: each checked by itself, merged into one, and checked as a whole."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from loopback_core.errors import SettingsError
from loopback_core.settings.addresses import shown_address, without_secrets
from loopback_core.settings.moved_keys import old_key
from loopback_core.settings.section import PART_OF_SETTINGS, Section
from loopback_core.settings.settings import Settings

Values = Mapping[str, Any]
"""Section -> key -> value, or sub-section -> key -> value."""

MOST_SENTENCES = 10
"""Mistakes in one layer that are named; a wrong file can hold thousands."""

Layer = tuple[str, Values]
"""Where the values come from, in words; the values."""


def check_layer(layer: Layer) -> None:
    """Check every key of a layer by itself.

    Raises:
        SettingsError: a key is unknown, of the wrong type or out of range.
    """
    origin, values = layer
    try:
        Settings.model_validate(values, context=PART_OF_SETTINGS)
    except ValidationError as error:
        raise SettingsError(f"Settings of {origin}: {_sentences(error.errors())}.") from None
    except RecursionError:
        raise SettingsError(f"Settings of {origin} are nested too deep.") from None


def merged(weaker: Values, stronger: Values, section: type[Section] = Settings) -> dict[str, Any]:
    """The union of both; where both have a key, the value of `stronger`. Both are checked layers.

    Where `stronger` chooses another kind, what only the kind before read is left out.
    """
    values = dict(weaker)
    for key, value in stronger.items():
        inner = section.subsections().get(key)
        values[key] = merged(weaker.get(key, {}), value, inner) if inner else value
    before, after = _unread(weaker, section), _unread(values, section)
    return {key: value for key, value in values.items() if key in stronger or key in before or key not in after}


def without_unread(values: Values, section: type[Section] = Settings) -> dict[str, Any]:
    """`values` without the keys that the chosen kinds do not read."""
    read = {key: value for key, value in values.items() if key not in _unread(values, section)}
    return read | {key: without_unread(read[key], inner) for key, inner in section.subsections().items() if key in read}


def whole(values: Values, layers: Sequence[Layer]) -> Settings:
    """The settings of merged layers. layers: the weakest first.

    Raises:
        SettingsError: keys contradict each other, or the chosen kind does not read one.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        errors, origin = error.errors(), "Settings that contradict each other"
        keys = [key for e in errors for key in _unread_keys(e)]
        if holders := [layer for layer in layers if any(holds(layer[1], key) for key in keys)]:
            name, given = holders[-1]
            origin = f"Settings of {name}"
            for e in errors:  # what a preset says is not the mistake of the layer above it
                if e["type"] == "unread":
                    e["ctx"]["keys"] = [key for key in e["ctx"]["keys"] if holds(given, _dotted(e, key))]
        raise SettingsError(f"{origin}: {_sentences(errors)}.") from None


def _unread(values: Values, section: type[Section]) -> set[str]:
    return set(section.model_validate(values, context=PART_OF_SETTINGS).unread())


def _unread_keys(error: Any) -> list[str]:
    return [_dotted(error, key) for key in error["ctx"]["keys"]] if error["type"] == "unread" else []


def _dotted(error: Any, *more: str) -> str:
    return ".".join([*map(str, error["loc"]), *more])


def holds(layer: Values, key: str) -> bool:
    """Whether a layer gives this dotted key."""
    value: Any = layer
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _sentences(errors: Sequence[Any]) -> str:
    more = f"; and {len(errors) - MOST_SENTENCES:,} more" if len(errors) > MOST_SENTENCES else ""
    return "; ".join(_sentence(e) for e in errors[:MOST_SENTENCES]) + more


def _sentence(error: Any) -> str:
    key = _dotted(error)
    if error["type"] == "extra_forbidden":
        return old_key(key) or f"{_short(key)} is not a setting; known are {', '.join(_known(error['loc'][:-1]))}"
    if error["type"] == "unread":
        keys = _unread_keys(error)
        kinds = " and ".join(f"{_dotted(error, name)} is {value!r}" for name, value in error["ctx"]["kinds"].items())
        return f"{' and '.join(keys)} {'is' if len(keys) == 1 else 'are'} given but {kinds}, which does not read {'it' if len(keys) == 1 else 'them'}"
    if error["type"] == "contradiction":
        return str(error["ctx"]["sentence"])
    return f"{_short(key)} = {shown(error['input'])} is wrong: {error['msg'].removeprefix('Input ').lower()}"


def _known(path: Sequence[Any]) -> list[str]:
    section: type[Section] = Settings
    for name in path:
        section = section.subsections()[name]
    return list(section.model_fields)


def _short(key: str) -> str:
    return key if key.isprintable() and len(key) <= 200 else repr(key[:200])


def shown(value: Any) -> str:
    """A value in a message: short, whatever it is, and without the password of an address."""
    if isinstance(value, str):
        value = without_secrets(shown_address(value))  # before it is cut: half an address is not known as one
    try:
        return _REPR.repr(value)
    except (ValueError, RecursionError):  # Python writes no integer of more than 4,300 digits
        return "a value that is too large to show"


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80
