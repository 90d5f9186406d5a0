"""How often a user played a track or its artist, old plays counting less."""

from collections.abc import Sequence

import numpy as np

from loopback_core.data import Histories
from loopback_core.ranking.terms.term import Knowledge, PersonalTerm
from loopback_core.tasks.task import Task
from loopback_core.towers.decayed_counts import Bag, Scale, artist_of_listens, decayed_plays

HALF_LIVES = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 0.0)

MOST_ARTISTS = 100
"""The artists of a history with the most plays, whose tracks a search looks at besides what the index finds: the count is
bounded however long the history."""


class TrackPlaysTerm(PersonalTerm):
    """log(1 + decayed plays) of the track by the user."""

    name = "track"
    over = "tracks"
    grid = (0, 1, 2, 4, 8, 16, 32, 64, 128)
    half_lives = HALF_LIVES
    first_half_life = 30.0
    warm_start = 8.0

    def bag(self, histories: Histories, knowledge: Knowledge, half_lives: Sequence[float]) -> Bag:
        """See :class:`PersonalTerm`."""
        track = histories.tracks.values
        of_catalog = np.where(track < knowledge.catalog.n_tracks, track, -1)
        return decayed_plays(histories, of_catalog, [Scale(days, 0) for days in half_lives])

    def is_useless(self, knowledge: Knowledge, task: Task) -> bool:
        """Where a track that was played is no candidate."""
        return task.only_new


class ArtistPlaysTerm(PersonalTerm):
    """log(1 + decayed plays) of the artist by the user, for the MOST_ARTISTS artists with the most plays."""

    name = "artist"
    over = "artists"
    grid = (0, 0.5, 1, 2, 4, 8, 16)
    half_lives = HALF_LIVES
    first_half_life = 60.0
    warm_start = 4.0

    def bag(self, histories: Histories, knowledge: Knowledge, half_lives: Sequence[float]) -> Bag:
        """See :class:`PersonalTerm`. Over several half-lives the sum decides which artists have the most plays."""
        artists = artist_of_listens(histories, knowledge.catalog.artist)
        plays = decayed_plays(histories, artists, [Scale(days, 0) for days in half_lives])
        return _largest(plays, len(histories))


def _largest(bag: Bag, rows: int) -> Bag:
    """The MOST_ARTISTS items of the largest weight of each row."""
    order = np.lexsort((bag.items, -bag.weights.sum(axis=1), bag.row))
    counts = np.bincount(bag.row, minlength=rows)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    largest = order[place < MOST_ARTISTS]
    return Bag(bag.items[largest], bag.weights[largest], bag.row[largest])
