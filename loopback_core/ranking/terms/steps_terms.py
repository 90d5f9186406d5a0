"""How many listens ago a user last heard a track or its artist, in steps: playlists come round, and nothing follows itself."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loopback_core.ranking.heard import Heard
from loopback_core.ranking.terms.term import ArtistTerm, Listened, TrackTerm
from loopback_core.towers.decayed_counts import Bag

STEPS = (0, 1, *(2**n for n in range(1, 11)))
"""The fewest listens of each step; the last one has no end."""


def _names(what: str) -> tuple[str, ...]:
    between = (f"{low} to {high - 1}" if high - low > 1 else f"{low}" for low, high in pairwise(STEPS))
    return tuple(f"{what}, listens ago: {listens}" for listens in (*between, f"{STEPS[-1]} or more"))


def _steps(heard: Heard) -> NDArray[np.bool_]:
    """(steps, items): 1 for the step in which the last listen to an item lies."""
    step = np.searchsorted(STEPS, heard.last(heard.listens_later), side="right") - 1
    is_in: NDArray[np.bool_] = np.arange(len(STEPS))[:, None] == step
    return is_in


class TrackStepsTerm(TrackTerm):
    """1 in the step in which the user last heard the track, of any weight: no decay says that a playlist comes round."""

    features = _names("track")
    optional = True

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        return listened.tracks.bag(*_steps(listened.tracks))


class ArtistStepsTerm(ArtistTerm):
    """1 in the step in which the user last heard the artist, of any weight."""

    features = _names("artist")
    optional = True

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        return listened.artists.bag(*_steps(listened.artists))
