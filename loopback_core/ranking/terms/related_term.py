"""The term of related artists: which other artists follow from those of a history."""

import numpy as np

from loopback_core.ranking.terms.term import ArtistTerm, Listened
from loopback_core.towers.decayed_counts import EMPTY, Bag


class RelatedTerm(ArtistTerm):
    """The share of the artist in the predictions of a linear model of which artists are heard together.

    See :class:`loopback_core.ranking.related_artists.RelatedArtists`.
    """

    features = ("related",)
    by_popularity = features
    at_least_zero = features

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        related = listened.knowledge.relations.artists
        heard = listened.artists
        return EMPTY if related is None else related.of(heard.items, np.log1p(heard.sum()))
