"""What every group of settings is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of settings: frozen, strict about types, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
