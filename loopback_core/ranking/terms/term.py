"""What a term of the served score offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, FitData, Floats, Histories, Ids
from loopback_core.ranking.heard import Heard
from loopback_core.ranking.relations import NO_RELATIONS, Relations
from loopback_core.towers.decayed_counts import Bag, artist_of_listens


@dataclass(frozen=True)
class Knowledge:
    """What terms read besides the history of the user."""

    catalog: Catalog
    relations: Relations = NO_RELATIONS
    listen_artist: NDArray[np.int32] | None = (
        None  # (ids,) of every id in a history; None: the catalog's, for its tracks
    )

    @property
    def artist_of(self) -> NDArray[np.int32]:
        """(ids,) the artist of every id that a history may hold. Ids beyond the catalog are listens to tracks that it
        does not know, by artists whom it does."""
        return self.catalog.artist if self.listen_artist is None else self.listen_artist


@dataclass(frozen=True)
class Listened:
    """Some histories, and the distinct tracks and artists of each: found once for all terms."""

    histories: Histories
    knowledge: Knowledge
    whole: "tuple[Listened, Ids] | None" = None  # more histories, and the numbers of these among them

    @cached_property
    def tracks(self) -> Heard:
        """The tracks of the catalog."""
        ids = self.histories.tracks.values
        return Heard.of(self.histories, np.where(ids < self.knowledge.catalog.n_tracks, ids, -1))

    def bag(self, term: "PersonalTerm") -> Bag:
        """What a term says of each history: computed once, for whoever weighs it, and for the whole where this is a part."""
        if term not in self._bags:
            self._bags[term] = term.bag(self) if self.whole is None else self.whole[0].bag(term).take(self.whole[1])
        return self._bags[term]

    def take(self, rows: Ids) -> "Listened":
        """Some of the histories. rows: their numbers."""
        return Listened(self.histories.take(rows), self.knowledge, (self, rows))

    @cached_property
    def _bags(self) -> "dict[PersonalTerm, Bag]":
        return {}

    @cached_property
    def artists(self) -> Heard:
        """The artists."""
        return Heard.of(self.histories, artist_of_listens(self.histories, self.knowledge.artist_of))


class Term(ABC):
    """Some features of a pair of user and track that are made together."""

    features: ClassVar[tuple[str, ...]]
    """The names of its columns, as they stand in the report and beside the weights on disk."""

    at_least_zero: ClassVar[tuple[str, ...]] = ()
    at_most_zero: ClassVar[tuple[str, ...]] = ()
    """Features whose weight has a known sign. The features of several half-lives are much alike, and on few users a fit
    that is free takes large weights of opposite signs."""

    optional: ClassVar[bool] = False
    """Whether a fit may do without the term: it has weights where users who were not fitted on are served better with them,
    which many features are only on long logs."""


class CatalogTerm(Term):
    """A term that is the same for every user."""

    @abstractmethod
    def values(self, data: FitData) -> Floats:
        """(n_tracks, features) float32, of every catalog track."""


class PersonalTerm(Term):
    """A term that reads the history of a user, and is 0 for all but a few tracks or artists."""

    @abstractmethod
    def bag(self, listened: Listened) -> Bag:
        """The values of the term for each history: items with a weight for each feature, (n, features)."""


class TrackTerm(PersonalTerm):
    """A term that values tracks."""


class ArtistTerm(PersonalTerm):
    """A term that values artists, and with them all of their tracks."""

    by_popularity: ClassVar[tuple[str, ...]] = ()
    """Features that also enter as their product with log(1 + listeners) of the track: of an artist whom the user plays
    a lot the popular tracks come first."""
