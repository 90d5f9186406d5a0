"""How popular a track and its artist are, over all time and lately."""

import numpy as np

from loopback_core.data import SECONDS_PER_DAY, FitData, Floats
from loopback_core.features.popularity_columns import log_decayed_plays, log_listeners
from loopback_core.ranking.terms.term import CatalogTerm
from loopback_core.tasks.pairs import Pairs

RECENT_DAYS = 30

POPULARITY = "listeners"


class PopularityTerm(CatalogTerm):
    """log(1 + listeners), over all time and of the last RECENT_DAYS; log(1 + decayed plays)."""

    features = (POPULARITY, "trend", f"listeners of {RECENT_DAYS} days")
    at_least_zero = features

    def values(self, data: FitData) -> Floats:
        """See :class:`CatalogTerm`."""
        since = np.searchsorted(data.events.timestamp, data.now - RECENT_DAYS * SECONDS_PER_DAY)
        lately = Pairs.of(data.events.user[since:], data.events.track[since:], data.catalog.n_tracks)
        recent = np.bincount(lately.track, minlength=data.catalog.n_tracks)
        return np.stack([log_listeners(data), log_decayed_plays(data), np.log1p(recent)], axis=1, dtype=np.float32)


class ArtistPopularityTerm(CatalogTerm):
    """log(1 + listeners) of the artist, and log(1 + place) of the track among those of its artist, by listeners."""

    features = ("listeners of artist", "place within artist")
    at_least_zero = ("listeners of artist",)

    def values(self, data: FitData) -> Floats:
        """See :class:`CatalogTerm`."""
        catalog = data.catalog
        order = np.lexsort((-catalog.listeners, catalog.artist))
        counts = np.bincount(catalog.artist, minlength=catalog.n_artists)
        place = np.empty(catalog.n_tracks, np.int64)
        place[order] = np.arange(catalog.n_tracks) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.log1p(np.stack([catalog.artist_listeners[catalog.artist], place], axis=1)).astype(np.float32)


class AgeTerm(CatalogTerm):
    """log(1 + months) since anyone first heard the track, and since anyone first heard its artist.

    Months, not days: requests in the middle of a period have no tracks that are some days old, as the catalog is that of its
    beginning, and a weight learned from them must not tell yesterday from last week. A month has RECENT_DAYS.
    """

    features = ("age", "age of artist")

    def values(self, data: FitData) -> Floats:
        """See :class:`CatalogTerm`."""
        catalog = data.catalog
        first = np.stack([catalog.first_seen, catalog.artist_first_seen[catalog.artist]], axis=1)
        months = np.maximum(data.now - first, 0) / (RECENT_DAYS * SECONDS_PER_DAY)
        ages: Floats = np.log1p(months).astype(np.float32)
        return ages
