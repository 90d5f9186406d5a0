"""The terms of the served score: what a pair of a user and a track gets besides the product of the towers.

A new term is a class in a file of this folder and a line in `TERMS`: fitting, serving, the index and the report read
this tuple.
"""

from loopback_core.ranking.terms.plays_terms import ArtistPlaysTerm, TrackPlaysTerm
from loopback_core.ranking.terms.popularity_terms import PopularityTerm, TrendTerm
from loopback_core.ranking.terms.related_term import RelatedTerm
from loopback_core.ranking.terms.term import CatalogTerm, Knowledge, PersonalTerm, Term

TERMS: tuple[Term, ...] = (PopularityTerm(), TrendTerm(), TrackPlaysTerm(), ArtistPlaysTerm(), RelatedTerm())
"""In the order in which their weights are searched and added up."""

CATALOG_TERMS = tuple(term for term in TERMS if isinstance(term, CatalogTerm))
"""The same for every user: dimensions of the indexed vectors."""

PERSONAL_TERMS = tuple(term for term in TERMS if isinstance(term, PersonalTerm))
"""From the user's own history: a sparse prior."""

__all__ = ["CATALOG_TERMS", "PERSONAL_TERMS", "TERMS", "CatalogTerm", "Knowledge", "PersonalTerm", "Term"]
