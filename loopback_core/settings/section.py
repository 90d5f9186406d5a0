"""A group of settings, and the mark of a key that only some kinds read."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

PART_OF_SETTINGS = {"part of settings": True}
"""Validation context of a layer: its keys are checked one by one, not against each other."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]

SeedList = Annotated[list[Seed], Field(min_length=1, max_length=100), AfterValidator(lambda seeds: sorted(set(seeds)))]
"""Each once."""

Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
"""A string that may be a path: it holds no NUL."""


@dataclass(frozen=True, init=False)
class ReadIf:
    """Marks a key or sub-section that is read only where one of these keys of its section has one of these values."""

    any_of: tuple[tuple[str, tuple[Any, ...]], ...]

    def __init__(self, **any_of: Any) -> None:
        pairs = tuple((key, value if isinstance(value, tuple) else (value,)) for key, value in any_of.items())
        object.__setattr__(self, "any_of", pairs)


class Section(BaseModel):
    """A group of settings: frozen, strict about types, and closed to keys that it does not know.

    A key that is given and that the chosen kind does not read is an error; what is not read is not dumped either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def subsections(cls) -> dict[str, type["Section"]]:
        """The fields that are sections themselves."""
        types = {name: field.annotation for name, field in cls.model_fields.items()}
        return {name: kind for name, kind in types.items() if isinstance(kind, type) and issubclass(kind, Section)}

    def unread(self) -> dict[str, ReadIf]:
        """The fields that the chosen kinds do not read, and what would make them read."""
        marks = {
            name: mark for name, f in type(self).model_fields.items() for mark in f.metadata if type(mark) is ReadIf
        }
        return {
            name: mark
            for name, mark in marks.items()
            if not any(getattr(self, key) in values for key, values in mark.any_of)
        }

    def contradiction(self) -> str:
        """A sentence about keys that contradict each other; empty when none do."""
        return ""

    @model_validator(mode="after")
    def _check_together(self, info: ValidationInfo) -> Self:
        if info.context == PART_OF_SETTINGS:
            return self
        for name, mark in self.unread().items():
            if name in self.model_fields_set:
                kinds = {key: getattr(self, key) for key, _ in mark.any_of}
                keys = given_keys(getattr(self, name), name)
                unread = f"{', '.join(keys)} given, but not read with {kinds}"
                raise PydanticCustomError("unread", "{unread}", {"unread": unread, "keys": keys, "kinds": kinds})
        if sentence := self.contradiction():
            raise PydanticCustomError("contradiction", "{sentence}", {"sentence": sentence})
        return self

    @model_serializer(mode="wrap")
    def _dump_what_is_read(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unread = self.unread()
        return {name: value for name, value in handler(self).items() if name not in unread}


def given_keys(value: Any, name: str) -> list[str]:
    """The dotted keys that were given of a field: its own name, or those of a sub-section."""
    if not isinstance(value, Section) or not value.model_fields_set:
        return [name]
    fields = [field for field in type(value).model_fields if field in value.model_fields_set]
    return [key for field in fields for key in given_keys(getattr(value, field), f"{name}.{field}")]
