"""The settings of what is kept of the answers of the service."""

from pydantic import Field

from loopback_core.settings.section import Section


class ServedSettings(Section):
    """The log of answers (`loopback serve --log-answers`), and what is measured of it. No bundle depends on it."""

    horizon_days: float = Field(
        1.0,
        gt=0,
        le=365,
        description="A track that was shown counts as heard where the user plays it within so many days.",
    )
    keep_days: float = Field(90.0, gt=0, le=36_500, description="Answers that are older are deleted.")
