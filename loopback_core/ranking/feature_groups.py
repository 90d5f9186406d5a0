"""The columns that correctors read, by what they say: a group for each term of the score."""

import re
from functools import cache

from loopback_core.ranking.best_candidates import RANK_FEATURES
from loopback_core.ranking.linear_ranker import popular
from loopback_core.ranking.terms import TERMS, ArtistTerm, Term


@cache
def feature_groups() -> dict[str, tuple[int, ...]]:
    """Name of a group -> the numbers of its columns in RANK_FEATURES; every column is in one group."""
    place = {name: number for number, name in enumerate(RANK_FEATURES)}
    groups = {title_of_term(term): tuple(place[name] for name in _columns(term)) for term in TERMS}
    used = {number for columns in groups.values() for number in columns}
    rest = {name: number for name, number in place.items() if number not in used}
    towers = tuple(number for name, number in rest.items() if name.startswith("towers"))
    return {"towers": towers, "linear score": tuple(n for n in rest.values() if n not in towers), **groups}


def title_of_term(term: Term) -> str:
    """The name of its group: track plays for TrackPlaysTerm."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(term).__name__.removesuffix("Term")).lower()


def _columns(term: Term) -> list[str]:
    products = [popular(name) for name in term.by_popularity] if isinstance(term, ArtistTerm) else []
    return [*term.features, *products]
