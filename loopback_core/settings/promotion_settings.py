"""The settings of the gate that a new bundle passes before it is served."""

from typing import Annotated

from pydantic import Field

from loopback_core.settings.section import Section

Ratio = Annotated[float, Field(ge=1, le=100)]


class PromotionSettings(Section):
    """When a challenger takes the place of the champion, and how much of the past is kept."""

    margin: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="The challenger is not worse where it surely loses less than this share of the champion's nDCG@10.",
    )
    max_age_days: float = Field(
        28.0,
        ge=0,
        le=36_500,
        description="Where too little was measured to tell them apart, a champion whose newest listen is this much older than the "
        "challenger's is replaced: fresh histories and new tracks are worth something.",
    )
    max_p99_ms: float = Field(
        25.0,
        gt=0,
        le=60_000,
        description="Largest p99 of a request for one list, one at a time; a slower challenger passes if it is not slower than the "
        "champion by more than max_growth.",
    )
    max_growth: Ratio = Field(
        1.5, description="Largest bytes of the bundle, and p99 above max_p99_ms, in those of the champion."
    )
    max_loss: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Largest share of the champion's users, and of the plays of its tracks, that the challenger does not know, and "
        "largest share of its lists that are too short.",
    )
    keep_bundles: int = Field(
        3,
        ge=0,
        le=10_000,
        description="Newest bundles that `loopback clean` keeps, besides the one in service and the one before it.",
    )
    clean: bool = Field(
        False,
        description="After a promotion, delete what `loopback clean` lists: artifacts that nothing needs any more.",
    )
