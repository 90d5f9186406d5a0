"""How often a user comes back to what they know: a list for someone who repeats has more known tracks."""

import numpy as np

from loopback_core.ranking.heard import Heard
from loopback_core.ranking.terms.term import ArtistTerm, Listened, TrackTerm
from loopback_core.towers.decayed_counts import Bag

HALF_LIFE = 100
"""Of a listen in the share of repeats, in later listens of the user."""


def _repeats(heard: Heard) -> Bag:
    """For every item the log odds that a late listen of its user is a repeat, with one listen of either kind added."""
    row = heard.items.row_numbers()
    listen = np.arange(len(heard.place))
    is_repeat = heard.first(listen)[heard.place] != listen
    weight = np.exp2(-heard.listens_later / HALF_LIFE)
    n = len(heard.histories)
    repeats = 1 + np.bincount(row[heard.place], weight * is_repeat, minlength=n)
    others = 1 + np.bincount(row[heard.place], weight * ~is_repeat, minlength=n)
    return heard.bag(np.log(repeats / others)[row])


class TrackHabitTerm(TrackTerm):
    """The log odds of repeats of tracks, for every track that the user heard."""

    features = ("track known x repeats",)

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        return _repeats(listened.tracks)


class ArtistHabitTerm(ArtistTerm):
    """The log odds of repeats of artists, for every artist whom the user heard."""

    features = ("artist known x repeats",)

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        return _repeats(listened.artists)
