"""The settings of the ranker."""

from typing import Literal

from pydantic import Field

from loopback_core.settings.section import Section


class RankingSettings(Section):
    """The ranker that puts the best candidates of the linear score in order; see also `training.scoring`."""

    ranker: Literal["auto", "lightgbm", "cross_encoder", "none"] = Field(
        "auto",
        description="What corrects the linear score. lightgbm: trees. cross_encoder: a small network that learns from trees and also reads the last "
        "listens. none: nothing does. auto: trees, in each task where they rank surely better for users of validation whom they were "
        "not fitted on; elsewhere other weights of the linear score for its best candidates, where these rank better.",
    )
    places: int = Field(
        300,
        ge=10,
        le=1000,
        description="The best candidates by the linear score, which are put in order; those after them stay in theirs.",
    )
    requests: int = Field(
        4_000, ge=1, le=10**6, description="Requests of validation that it is fitted on, at most, over all moments."
    )
