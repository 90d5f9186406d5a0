"""The listens of histories grouped by what was played, so that they can be weighed and added up again and again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, Floats, Histories, Ids, Ragged
from loopback_core.evaluation.baselines.baseline import decay
from loopback_core.evaluation.baselines.matrices import LIGHTEST
from loopback_core.retrieval.ranking import Scores


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
        """Listens to each item, beside items.values. weight: (listens,) what each counts instead of 1."""
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
    return _group(histories, histories.tracks.values, histories.tracks.values < n_tracks, n_tracks)


def plays_of_artists(histories: Histories, catalog: Catalog) -> Plays:
    """The listens to tracks of the catalog, by artist."""
    tracks = histories.tracks.values
    known = tracks < catalog.n_tracks
    return _group(histories, catalog.artist[np.where(known, tracks, 0)], known, catalog.n_artists)


def spread(items: Ragged, values: Scores, n_items: int) -> Iterator[Scores]:
    """Row by row the values beside items.values as (n_items,), 0 for what the row does not hold."""
    for row in range(len(items)):
        dense = np.zeros(n_items, values.dtype)
        dense[items[row]] = values[items.offsets[row] : items.offsets[row + 1]]
        yield dense


def _group(histories: Histories, item: NDArray[np.integer], known: NDArray[np.bool_], n_items: int) -> Plays:
    """item: (all listens,), below n_items where `known`. One table of all items serves row after row: nothing is sorted."""
    offsets, n_rows = histories.tracks.offsets, len(histories)
    heard, number = np.zeros(n_items, np.bool_), np.empty(n_items, np.int32)
    items, places, seen = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], 0
    lengths, distinct = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int64)
    for row in range(n_rows):
        listens = slice(offsets[row], offsets[row + 1])
        played = item[listens][known[listens]]
        heard[played] = True
        found = np.flatnonzero(heard)
        heard[found] = False
        number[found] = np.arange(seen, seen + len(found))
        items.append(found)
        places.append(number[played])
        lengths[row], distinct[row] = len(played), len(found)
        seen += len(found)
    ages, youngest = histories.ages, np.zeros(n_rows, np.int64)
    asked = offsets[1:] > offsets[:-1]
    youngest[asked] = ages[offsets[1:][asked] - 1]  # histories are sorted by time
    grouped = Ragged(np.concatenate([[0], np.cumsum(distinct)]).astype(np.int64), np.concatenate(items))
    return Plays(grouped, np.concatenate(places), ages[known], lengths, youngest)
