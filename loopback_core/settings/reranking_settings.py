"""The settings of the re-ranking."""

from typing import Literal, get_args

from pydantic import Field

from loopback_core.settings.section import Section

RerankingMethod = Literal["artists", "mmr", "dpp", "calibrated"]

RERANKING_METHODS: tuple[RerankingMethod, ...] = get_args(RerankingMethod)


class RerankingSettings(Section):
    """The last step before a list is shown: rules, and diversity."""

    method: Literal["auto", RerankingMethod] = Field(
        "auto",
        description="How a list gets diverse: artists gives a bonus to every artist on a page of ten, mmr and dpp keep tracks with "
        "near vectors apart, calibrated gives artists the shares that they have in the history; auto: what validation says.",
    )
    max_cost: float = Field(
        0.015,
        ge=0,
        le=1,
        description="Share of nDCG@10 on validation that diversity may cost: the point with the most artists that costs no more "
        "is taken. 0: only what costs nothing.",
    )
    most_of_artist: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Tracks of one artist that a list begins with; further ones go to its end. Unset: any number.",
    )
    one_version: bool = Field(
        True,
        description="Of several versions of a title (remix, live, remaster) by one artist a list begins with only the first, and "
        "those that the user plays; the others go to its end.",
    )
