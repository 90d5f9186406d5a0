"""The settings of the ranker."""

from typing import Literal

from pydantic import Field

from loopback_core.settings.section import Section


class RankingSettings(Section):
    """The ranker that puts the best candidates of the linear score in order; see also `training.scoring`."""

    ranker: Literal["auto", "lightgbm", "none"] = Field(
        "auto",
        description="lightgbm: trees correct the linear score. none: the linear score orders the list. auto: in each task what "
        "ranks better for users of validation whom it was not fitted on.",
    )
    places: int = Field(
        300,
        ge=10,
        le=1000,
        description="The best candidates by the linear score, which trees put in order; those after them stay in theirs.",
    )
    requests: int = Field(
        4_000, ge=1, le=10**6, description="Requests of validation that trees are fitted on, at most, over all moments."
    )
