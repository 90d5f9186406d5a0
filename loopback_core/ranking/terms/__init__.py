"""The terms of the served score: what a pair of a user and a track gets besides the product of the towers.

A new term is a class in a file of this folder and a line in `TERMS`: fitting, serving, the index and the report read
this tuple.
"""

from loopback_core.ranking.terms.habits_term import ArtistHabitTerm, TrackHabitTerm
from loopback_core.ranking.terms.neighbours_term import NeighboursTerm
from loopback_core.ranking.terms.novelty_term import NoveltyTerm
from loopback_core.ranking.terms.plays_terms import ArtistPlaysTerm, TrackPlaysTerm
from loopback_core.ranking.terms.popularity_terms import POPULARITY, AgeTerm, ArtistPopularityTerm, PopularityTerm
from loopback_core.ranking.terms.recency_terms import ArtistRecencyTerm, TrackRecencyTerm
from loopback_core.ranking.terms.related_term import RelatedTerm
from loopback_core.ranking.terms.steps_terms import ArtistStepsTerm, TrackStepsTerm
from loopback_core.ranking.terms.term import ArtistTerm, CatalogTerm, Knowledge, Listened, PersonalTerm, Term, TrackTerm

TERMS: tuple[Term, ...] = (
    PopularityTerm(),
    ArtistPopularityTerm(),
    AgeTerm(),
    TrackPlaysTerm(),
    TrackRecencyTerm(),
    TrackStepsTerm(),
    TrackHabitTerm(),
    NeighboursTerm(),
    ArtistPlaysTerm(),
    ArtistRecencyTerm(),
    ArtistStepsTerm(),
    ArtistHabitTerm(),
    NoveltyTerm(),
    RelatedTerm(),
)

CATALOG_TERMS = tuple(term for term in TERMS if isinstance(term, CatalogTerm))
"""The same for every user: their sum is a number of each track."""

TRACK_TERMS = tuple(term for term in TERMS if isinstance(term, TrackTerm))
"""From the user's own history: a sparse prior of tracks."""

ARTIST_TERMS = tuple(term for term in TERMS if isinstance(term, ArtistTerm))
"""From the user's own history: a sparse prior of artists, with a part that grows with the popularity of the track."""

CATALOG_FEATURES = tuple(name for term in CATALOG_TERMS for name in term.features)

POPULARITY_COLUMN = CATALOG_FEATURES.index(POPULARITY)
"""The catalog feature with which those of artists are multiplied."""

__all__ = [
    "ARTIST_TERMS",
    "CATALOG_FEATURES",
    "CATALOG_TERMS",
    "POPULARITY_COLUMN",
    "TERMS",
    "TRACK_TERMS",
    "ArtistPlaysTerm",
    "ArtistTerm",
    "CatalogTerm",
    "Knowledge",
    "Listened",
    "NeighboursTerm",
    "PersonalTerm",
    "RelatedTerm",
    "Term",
    "TrackPlaysTerm",
    "TrackTerm",
]
