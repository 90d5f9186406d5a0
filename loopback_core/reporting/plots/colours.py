"""The colour of each recommender, and which ones are emphasised."""

from collections.abc import Iterable

from loopback_core.recommenders.baselines import BASELINES
from loopback_core.recommenders.lists import (
    OTHER_PRESET,
    RANDOM,
    RERANKED,
    SERVED,
    THROUGH_INDEX,
    TOWERS,
    TOWERS_ALONE_ID,
    is_ours,
)

INK = "#1b2433"
"""Text and axes. In an SVG it becomes `currentColor`, the colour of the text of the page."""

COLOURS = {SERVED: "#e8590c", RANDOM: "#7d858c", **{name: baseline.colour for name, baseline in BASELINES.items()}}
"""The same in every plot, legible on white and on black."""

VARIANTS = (TOWERS, THROUGH_INDEX, TOWERS_ALONE_ID, RERANKED)
"""Variants of what is served, whose lines would cover its own."""


def colour(name: str) -> str:
    """The colour of a recommender: one for all variants of the towers; INK for an unknown baseline."""
    return COLOURS[SERVED] if is_ours(name) else COLOURS.get(name, INK)


def line(name: str) -> tuple[str, float]:
    """Style and width of the line of an emphasised recommender: the towers thick, another preset dashed."""
    if name.startswith(OTHER_PRESET):
        return "--", 1.5
    return (":" if name == RANDOM else "-"), (2.4 if is_ours(name) else 1.5)


def emphasised(names: Iterable[str], rival: str | None) -> list[str]:
    """Those of `names` drawn in colour: towers, rival, plain popularity, random. The others are drawn grey."""
    in_colour = (rival, "popularity_users", "artist_popularity", RANDOM)
    return [name for name in names if name in in_colour or (is_ours(name) and name not in VARIANTS)]
