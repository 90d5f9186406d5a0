"""The launchpad's form of the settings: the core's sections, nested alike, with every key optional."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import dagster as dg
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from loopback_core.settings import Section, Settings

PLAIN = (bool, int, float, str)


class _Form(dg.PermissiveConfig):
    """Open to any key: the core refuses an unknown key, and says where the key of an earlier version is now."""


def _field(info: FieldInfo) -> Any:
    """The same field, unset by default. Dagster knows neither dates nor literals; the core checks the values."""
    kind = info.annotation
    if isinstance(kind, type) and issubclass(kind, Section):
        form = _form(kind)
        return (form, Field(default_factory=form, description=info.description))
    return (_plain(info.annotation) | None, Field(default=None, description=info.description))


def _plain(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):  # with None, which is what an empty field means
        return _plain(next(one for one in get_args(kind) if one is not NoneType))
    if get_origin(kind) is Annotated:
        return _plain(kind.__origin__)
    if container := get_origin(kind) if get_origin(kind) in (list, dict) else None:
        return container[tuple(_plain(argument) for argument in get_args(kind))]
    return kind if kind in PLAIN else str


def _form(section: type[Section]) -> type[dg.Config]:
    fields = {name: _field(info) for name, info in section.model_fields.items()}
    name = section.__name__.replace("Settings", "Config")
    return create_model(name, __base__=_Form, __doc__=section.__doc__, **fields)


FORMS: dict[str, type[dg.Config]] = {name: _form(section) for name, section in Settings.subsections().items()}
"""Section -> the class of its form."""


def overrides(forms: Mapping[str, dg.Config]) -> dict[str, dict[str, Any]]:
    """Only what was filled in: section -> key or sub-section -> value."""
    filled: dict[str, dict[str, Any]] = _filled_in({name: form.model_dump() for name, form in forms.items()}, Settings)
    return filled


def _filled_in(values: Mapping[str, Any], section: type[Section]) -> dict[str, Any]:
    inner = section.subsections()
    filled = {
        name: _filled_in(value, inner[name]) if name in inner else value
        for name, value in values.items()
        if value is not None
    }
    return {name: value for name, value in filled.items() if name not in inner or value}
