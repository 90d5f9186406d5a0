"""How often a user played a track or its artist, old plays counting less."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY
from loopback_core.ranking.heard import Heard
from loopback_core.ranking.terms.term import ArtistTerm, Listened, TrackTerm
from loopback_core.towers.decayed_counts import Bag

DAYS = (1, 3, 7, 14, 30, 90)
"""Half-lives of a play in days."""

LISTENS = (3, 10, 30, 100, 1000)
"""Half-lives of a play in later listens of the user: they need no calendar, and some logs have none."""


def _names(what: str) -> tuple[str, ...]:
    by_days, by_listens = (f"{what} {days}d" for days in DAYS), (f"{what} {n} listens" for n in LISTENS)
    return (what, *by_days, *by_listens)


def _plays(heard: Heard) -> Iterator[NDArray[np.float64]]:
    """log(1 + plays), then log(1 + decayed plays) by every half-life."""
    yield np.log1p(heard.sum())
    for days in DAYS:
        yield np.log1p(heard.sum(np.exp2(-heard.ages / (days * SECONDS_PER_DAY))))
    for listens in LISTENS:
        yield np.log1p(heard.sum(np.exp2(-heard.listens_later / listens)))


class TrackPlaysTerm(TrackTerm):
    """log(1 + decayed plays) of the track by the user."""

    features = _names("track plays")
    at_least_zero = features

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        heard = listened.tracks
        return heard.bag(*_plays(heard))


class ArtistPlaysTerm(ArtistTerm):
    """log(1 + decayed plays) of the artist by the user."""

    features = _names("artist plays")
    by_popularity = features
    at_least_zero = features

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        heard = listened.artists
        return heard.bag(*_plays(heard))
