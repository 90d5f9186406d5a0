"""The launchpad's form of the settings: the core's sections with every key optional."""

from typing import Any, Literal, get_origin

import dagster as dg
from pydantic import ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from loopback_core.settings import Section, Settings

PLAIN = (bool, int, float, str)


def _field(info: FieldInfo) -> Any:
    """The same field, unset by default. Dagster knows neither dates nor literals; the core checks what they say."""
    kind: Any = info.annotation
    if get_origin(kind) is Literal or (kind not in PLAIN and get_origin(kind) not in (list, dict)):
        kind = str
    return (kind | None, Field(default=None, description=info.description))


class _Form(dg.Config):
    """Closed, also where Python fills it in: a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid")


def _form(section: type[Section]) -> type[dg.Config]:
    fields = {name: _field(info) for name, info in section.model_fields.items()}
    name = section.__name__.replace("Settings", "Config")
    return create_model(name, __base__=_Form, __doc__=section.__doc__, **fields)


FORMS: dict[str, type[dg.Config]] = {
    name: _form(info.annotation)
    for name, info in Settings.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
}
"""Section -> the class of its form."""


def overrides(forms: dict[str, dg.Config]) -> dict[str, dict[str, Any]]:
    """Only what was filled in: section -> key -> value."""
    filled = {name: {k: v for k, v in form.model_dump().items() if v is not None} for name, form in forms.items()}
    return {name: values for name, values in filled.items() if values}
