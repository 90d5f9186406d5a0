"""The settings of what is kept of the answers of the service, and of a second bundle in it."""

from pydantic import Field

from loopback_core.settings.section import Section


class ServedSettings(Section):
    """The log of answers (`loopback serve --log-answers`), what is measured of it, and the second bundle. No bundle depends on it."""

    challenger_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the users who get the bundle of `loopback challenge VERSION` without --share; 0: it must be given.",
    )
    horizon_days: float = Field(
        1.0,
        gt=0,
        le=365,
        description="A track that was shown counts as heard where the user plays it within so many days.",
    )
    keep_days: float = Field(90.0, gt=0, le=36_500, description="Answers that are older are deleted.")
