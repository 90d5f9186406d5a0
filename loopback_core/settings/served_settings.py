"""The settings of what is kept of the answers of the service."""

from pydantic import Field

from loopback_core.settings.section import Section


class ServedSettings(Section):
    """The log of answers (`loopback serve --log-answers`), and what is measured of it. No bundle depends on it."""

    keep_days: float = Field(90.0, gt=0, le=36_500, description="Answers that are older are deleted.")
