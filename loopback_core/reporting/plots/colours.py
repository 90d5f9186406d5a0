"""Who has which colour, and who stands out."""

from collections.abc import Iterable

from loopback_core.recommenders.baselines import BASELINES
from loopback_core.recommenders.lists import OTHER_PRESET, RANDOM, TOWERS

INK = "#1b2433"
"""Text and axes. In an SVG it becomes `currentColor`, so that a page decides."""

COLOURS = {TOWERS: "#e8590c", RANDOM: "#7d858c", **{name: baseline.colour for name, baseline in BASELINES.items()}}
"""The same in every plot, legible on white and on black."""

VARIANTS = ("two_tower_index", "two_tower_alone")
"""The towers again: lines that would lie on those of the towers."""


def colour(name: str) -> str:
    """The colour of a recommender; variants of the towers are towers, an unknown baseline is ink."""
    return COLOURS[TOWERS] if name.startswith(TOWERS) else COLOURS.get(name, INK)


def line(name: str) -> tuple[str, float]:
    """Style and width of the line of one who stands out: the towers thick, another preset in their colour but dashed."""
    if name.startswith(OTHER_PRESET):
        return "--", 1.5
    return (":" if name == RANDOM else "-"), (2.4 if name.startswith(TOWERS) else 1.5)


def standing_out(names: Iterable[str], rival: str | None) -> list[str]:
    """Those of `names` that a reader looks for: towers, rival, plain popularity, random. Others are drawn pale."""
    looked_for = (rival, "popularity_users", "artist_popularity", RANDOM)
    return [name for name in names if name in looked_for or (name.startswith(TOWERS) and name not in VARIANTS)]
