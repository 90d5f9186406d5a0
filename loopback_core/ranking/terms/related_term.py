"""The term of related artists: which other artists follow from those of a history."""

from loopback_core.data import Histories
from loopback_core.ranking.terms.term import ArtistTerm, Knowledge
from loopback_core.towers.decayed_counts import EMPTY, Bag


class RelatedTerm(ArtistTerm):
    """The share of the artist in the predictions of a linear model of which artists are heard together.

    See :class:`loopback_core.ranking.related_artists.RelatedArtists`.
    """

    features = ("related",)
    by_popularity = features
    at_least_zero = features

    def bag(self, histories: Histories, knowledge: Knowledge) -> Bag:
        """See :class:`PersonalTerm`."""
        related = knowledge.relations.artists
        return EMPTY if related is None else related.of(histories, knowledge.catalog.artist)
