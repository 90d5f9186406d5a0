"""How much of an artist a user knows, and how much of it is new to them."""

import numpy as np

from loopback_core.data import SECONDS_PER_DAY
from loopback_core.ranking.terms.term import ArtistTerm, Listened
from loopback_core.towers.decayed_counts import Bag

NEW_DAYS = 14


class NoveltyTerm(ArtistTerm):
    """log(1 + distinct tracks of the artist), log(1 + those first heard lately), and their share of the catalog's.

    Who discovers an artist goes on with the next of their tracks; who knows all of them finds nothing new.
    """

    features = ("tracks of artist", f"tracks of artist new in {NEW_DAYS} days", "share of artist heard")
    by_popularity = features
    at_least_zero = (f"tracks of artist new in {NEW_DAYS} days",)

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        tracks, artists = listened.tracks, listened.artists
        first = np.full(len(tracks.items.values), -1)
        listen = np.arange(len(tracks.place))
        first[tracks.place[::-1]] = listen[::-1]  # of every distinct track: its first listen, among the known ones
        of_artists = np.cumsum(artists.known) - 1  # the number of each listen among those of known artists
        place = artists.place[of_artists[np.flatnonzero(tracks.known)[first]]]
        is_new = tracks.ages[first] < NEW_DAYS * SECONDS_PER_DAY
        n = len(artists.items.values)
        distinct, new = np.bincount(place, minlength=n), np.bincount(place, is_new, minlength=n)
        of_catalog = np.diff(listened.knowledge.catalog.tracks_of_artist.offsets)[artists.items.values]
        return artists.bag(np.log1p(distinct), np.log1p(new), distinct / of_catalog)
