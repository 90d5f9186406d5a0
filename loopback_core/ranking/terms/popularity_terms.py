"""How popular a track is, over all time and lately."""

from loopback_core.data import FitData, Floats
from loopback_core.features.popularity_columns import log_decayed_plays, log_listeners
from loopback_core.ranking.terms.term import CatalogTerm


class PopularityTerm(CatalogTerm):
    """log(1 + listeners)."""

    name = "popularity"
    grid = (0, 0.25, 0.5, 1, 2, 4)
    warm_start = 1.0

    def values(self, data: FitData) -> Floats:
        """See :class:`CatalogTerm`."""
        return log_listeners(data)


class TrendTerm(CatalogTerm):
    """log(1 + decayed plays)."""

    name = "trend"
    grid = (0, 0.25, 0.5, 1, 2)

    def values(self, data: FitData) -> Floats:
        """See :class:`CatalogTerm`."""
        return log_decayed_plays(data)
