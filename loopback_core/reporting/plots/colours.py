"""Who has which colour, and who stands out."""

from collections.abc import Iterable

from loopback_core.recommenders.lists import OTHER_PRESET, RANDOM, TOWERS

INK = "#1b2433"
"""Text and axes. In an SVG it becomes `currentColor`, so that a page decides."""

COLOURS = {
    TOWERS: "#e8590c",
    RANDOM: "#7d858c",
    "popularity_users": "#1c7ed6",
    "popularity_plays": "#3a93dd",
    "popularity_decayed": "#0e8fa8",
    "artist_popularity": "#4c6ef5",
    "personal_most_played": "#2f9e44",
    "personal_most_recent": "#6a9a10",
    "personal_decayed": "#0b9470",
    "recent_artist": "#a855c7",
    "same_artist": "#8d6bf0",
    "artist_userknn": "#c04fd0",
    "userknn": "#dd4478",
    "itemknn": "#e05c8c",
    "session_itemknn": "#cf3f6b",
    "sequential_rules": "#c2527f",
    "ials": "#b98500",
    "bpr": "#a08000",
    "ease": "#b07850",
    "ease_artists": "#a3795c",
}
"""The same in every picture, legible on white and on black; families of baselines in shades of one hue."""

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
