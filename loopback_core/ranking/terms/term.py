"""What a term of the served score offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from loopback_core.data import Catalog, FitData, Floats, Histories
from loopback_core.ranking.relations import NO_RELATIONS, Relations
from loopback_core.towers.decayed_counts import Bag


@dataclass(frozen=True)
class Knowledge:
    """What terms read besides the history of the user."""

    catalog: Catalog
    relations: Relations = NO_RELATIONS


class Term(ABC):
    """Some features of a pair of user and track that are made together."""

    features: ClassVar[tuple[str, ...]]
    """The names of its columns, as they stand in the report and beside the weights on disk."""

    at_least_zero: ClassVar[tuple[str, ...]] = ()
    at_most_zero: ClassVar[tuple[str, ...]] = ()
    """Features whose weight has a known sign. The features of several half-lives are much alike, and on few users a fit
    that is free takes large weights of opposite signs."""


class CatalogTerm(Term):
    """A term that is the same for every user."""

    @abstractmethod
    def values(self, data: FitData) -> Floats:
        """(n_tracks, features) float32, of every catalog track."""


class PersonalTerm(Term):
    """A term that reads the history of a user, and is 0 for all but a few tracks or artists."""

    @abstractmethod
    def bag(self, histories: Histories, knowledge: Knowledge) -> Bag:
        """The values of the term for each history: items with a weight for each feature, (n, features)."""


class TrackTerm(PersonalTerm):
    """A term that values tracks."""


class ArtistTerm(PersonalTerm):
    """A term that values artists, and with them all of their tracks."""

    by_popularity: ClassVar[tuple[str, ...]] = ()
    """Features that also enter as their product with log(1 + listeners) of the track: of an artist whom the user plays
    a lot the popular tracks come first."""
