"""The listens of histories grouped by what was played, to be weighted and summed repeatedly."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, Floats, Histories, Ids, Ragged, distinct_in_rows
from loopback_core.recommenders.baselines.baseline import decay
from loopback_core.recommenders.baselines.matrices import LIGHTEST
from loopback_core.retrieval.top_k import Scores


@dataclass(frozen=True)
class Plays:
    """What each history holds, and which listens are of it."""

    items: Ragged  # row i: the distinct tracks or artists of history i, ascending
    place: NDArray[np.int32]  # (listens,) place in items.values of what was listened to
    age: Ids  # (listens,) seconds
    lengths: Ids  # (rows,) listens of each history that are known to the catalog
    youngest: Ids  # (rows,) seconds since the last listen, known or not

    def __len__(self) -> int:
        return len(self.items)

    def count(self, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Listens to each item, aligned with items.values. weight: (listens,) what each counts instead of 1."""
        return np.bincount(self.place, weight, minlength=len(self.items.values)).astype(np.float64, copy=False)

    def decayed(self, half_life_days: float) -> NDArray[np.float64]:
        """The same, old listens counting less."""
        return self.count(decay(self.age, half_life_days))

    def decayed_without_the_lightest(self, half_life_days: float) -> Floats:
        """The same but for the listens that :func:`matrices.history_plays` leaves out, and in its precision."""
        weight, heaviest = decay(self.age, half_life_days), decay(self.youngest, half_life_days)
        weight[weight < np.repeat(LIGHTEST * heaviest, self.lengths)] = 0
        return self.count(weight).astype(np.float32)


def plays_of_tracks(histories: Histories, n_tracks: int) -> Plays:
    """The listens to tracks of the catalog, by track."""
    tracks = histories.tracks.values
    return _group(histories, np.where(tracks < n_tracks, tracks, -1), n_tracks)


def plays_of_artists(histories: Histories, catalog: Catalog) -> Plays:
    """The listens to tracks of the catalog, by artist."""
    tracks = histories.tracks.values
    known = tracks < catalog.n_tracks
    return _group(histories, np.where(known, catalog.artist[np.where(known, tracks, 0)], -1), catalog.n_artists)


def spread(items: Ragged, values: Scores, n_items: int) -> Iterator[Scores]:
    """Row by row the values aligned with items.values as (n_items,), 0 for what the row does not hold."""
    for row in range(len(items)):
        dense = np.zeros(n_items, values.dtype)
        dense[items[row]] = values[items.offsets[row] : items.offsets[row + 1]]
        yield dense


def _group(histories: Histories, item: NDArray[np.integer], n_items: int) -> Plays:
    """item: (all listens,) what each is of, -1 for what the catalog does not know."""
    offsets, ages, known = histories.tracks.offsets, histories.ages, item >= 0
    items, place = distinct_in_rows(offsets, item, n_items)
    lengths = np.diff(np.concatenate([[0], np.cumsum(known)])[offsets])
    youngest, has_listens = np.zeros(len(histories), np.int64), histories.tracks.lengths > 0
    youngest[has_listens] = ages[offsets[1:][has_listens] - 1]  # histories are sorted by time
    return Plays(items, place, ages[known], lengths, youngest)
