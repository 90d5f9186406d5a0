"""The term of related artists: which other artists follow from those of a history."""

from collections.abc import Sequence

from loopback_core.data import Histories
from loopback_core.ranking.terms.term import Knowledge, PersonalTerm
from loopback_core.tasks.task import Task
from loopback_core.towers.decayed_counts import EMPTY, Bag


class RelatedTerm(PersonalTerm):
    """The share of the artist in the predictions of a linear model of which artists are heard together.

    See :class:`loopback_core.ranking.related_artists.RelatedArtists`.
    """

    name = "related"
    over = "artists"
    grid = (0, 0.25, 0.5, 1, 2, 4)
    lifts_few = False  # related artists are popular: all of their tracks would be many times the other candidates

    def bag(self, histories: Histories, knowledge: Knowledge, half_lives: Sequence[float]) -> Bag:
        """See :class:`PersonalTerm`."""
        return EMPTY if knowledge.related is None else knowledge.related.of(histories, knowledge.catalog.artist)

    def is_useless(self, knowledge: Knowledge, task: Task) -> bool:
        """Where no related artists were learned."""
        return knowledge.related is None
