"""Since when, and until when, a user has heard a track or its artist."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, Ids
from loopback_core.ranking.terms.term import ArtistTerm, Listened, TrackTerm
from loopback_core.towers.decayed_counts import Bag


def _log_days(seconds: Ids) -> NDArray[np.float64]:
    """log(1 + days)."""
    days: NDArray[np.float64] = np.log1p(np.maximum(seconds, 0) / SECONDS_PER_DAY)
    return days


class TrackRecencyTerm(TrackTerm):
    """1 for a track that the user heard; log(1 + days) since they last and first did, log(1 + listens) since the last."""

    features = ("track known", "days since track", "days since track was new", "listens since track")
    at_most_zero = ("days since track", "listens since track")

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        heard = listened.tracks
        last, first = _log_days(heard.last(heard.ages)), _log_days(heard.first(heard.ages))
        return heard.bag(np.ones(len(last)), last, first, np.log1p(heard.last(heard.listens_later)))


class ArtistRecencyTerm(ArtistTerm):
    """1 for an artist whom the user heard; log(1 + days) since they last and first did, log(1 + listens) since the last."""

    features = ("artist known", "days since artist", "days since artist was new", "listens since artist")
    by_popularity = ("artist known", "days since artist", "listens since artist")
    at_most_zero = ("days since artist", "listens since artist")

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        heard = listened.artists
        last, first = _log_days(heard.last(heard.ages)), _log_days(heard.first(heard.ages))
        return heard.bag(np.ones(len(last)), last, first, np.log1p(heard.last(heard.listens_later)))
