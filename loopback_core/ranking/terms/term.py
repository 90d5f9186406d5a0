"""What a term of the served score offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from loopback_core.data import Catalog, FitData, Floats, Histories
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.tasks.task import Task
from loopback_core.towers.decayed_counts import Bag


@dataclass(frozen=True)
class Knowledge:
    """What terms read besides the history of the user."""

    catalog: Catalog
    related: RelatedArtists | None = None


class Term(ABC):
    """One feature of a pair of user and track, or one for each of several half-lives."""

    name: ClassVar[str]
    grid: ClassVar[Sequence[float]]
    """Weights that are compared on validation, the first of them 0."""

    half_lives: ClassVar[Sequence[float]] = ()
    """Days after which a play counts half, one feature each, 0: never forgotten; empty: the term is one feature."""

    first_half_life: ClassVar[float] = 0.0
    """Days; where the search begins."""

    warm_start: ClassVar[float] = 0.0
    """The weight in the second start of the search, in which terms that help only together are there together."""

    def is_useless(self, knowledge: Knowledge, task: Task) -> bool:
        """Whether it is 0 for every candidate of a task, so that its weight need not be searched."""
        return False


class CatalogTerm(Term):
    """A term that is the same for every user."""

    @abstractmethod
    def values(self, data: FitData) -> Floats:
        """(n_tracks,) float32, of every catalog track."""

    def is_useless(self, knowledge: Knowledge, task: Task) -> bool:
        """New tracks have no value: nothing is known about them at the time of the request."""
        return task.first_candidate > 0


class PersonalTerm(Term):
    """A term that reads the history of a user, and is 0 for all but a few tracks or artists."""

    over: ClassVar[Literal["tracks", "artists"]]
    """What it values: tracks, or artists and with them all of their tracks."""

    lifts_few: ClassVar[bool] = True
    """Whether all that it values are candidates of every request; else only those that score high with it."""

    @abstractmethod
    def bag(self, histories: Histories, knowledge: Knowledge, half_lives: Sequence[float]) -> Bag:
        """The values of the term for each history: items with a weight for each of `half_lives` (one without any)."""
