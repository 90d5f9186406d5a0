"""The term of neighbours: tracks that follow, or share sessions with, the last tracks of a history."""

import numpy as np

from loopback_core.ranking.terms.term import Listened, TrackTerm
from loopback_core.ranking.track_neighbours import HALF_LIVES
from loopback_core.towers.decayed_counts import Bag


class NeighboursTerm(TrackTerm):
    """How strongly the last tracks lead to a track; see :class:`loopback_core.ranking.track_neighbours.Neighbours`."""

    features = (
        *(f"follows last {listens}" for listens in HALF_LIVES),
        *(f"in sessions with last {listens}" for listens in HALF_LIVES),
    )

    at_least_zero = features

    def bag(self, listened: Listened) -> Bag:
        """See :class:`PersonalTerm`."""
        if listened.knowledge.relations.tracks is None:
            none = np.zeros(0, np.int64)
            return Bag(none, np.zeros((0, len(self.features)), np.float32), none)
        return listened.knowledge.relations.tracks.of(listened.tracks)
