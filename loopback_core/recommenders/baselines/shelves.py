"""The best tracks by a score of the artist times the popularity of the track, found without scoring every track."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Catalog, Ids, Ragged
from loopback_core.retrieval.top_k import Scores


class Shelves:
    """The tracks of every artist on a shelf, the most popular first: for every user the first track of a shelf has its best score.

    Shelves are cut into segments of 1, 1, 2, 4, 8, … tracks. The last track of a segment bounds its scores from below
    and the first one from above: so segments tell how much the k-th best track scores at least, and where tracks are
    that reach it.
    """

    def __init__(self, catalog: Catalog, counts: NDArray[np.int64]) -> None:
        """counts: (n_tracks,) how popular every track is."""
        self._tracks = np.lexsort((-counts, catalog.artist))
        self._counts = counts[self._tracks]
        lengths = np.bincount(catalog.artist, minlength=catalog.n_artists)
        begins = np.concatenate([[0], np.cumsum(lengths)])
        place = np.arange(len(counts)) - np.repeat(begins[:-1], lengths)
        starts = np.flatnonzero(place & (place - 1) == 0)  # places 0, 1, 2, 4, 8, …
        self._places = Ragged(np.append(starts, len(counts)), np.arange(len(counts)))  # row: a segment
        self._segments = Ragged(np.searchsorted(starts, begins), np.arange(len(starts)))  # row: an artist
        self._first, self._last = self._counts[starts], self._counts[self._places.offsets[1:] - 1]
        self._most = np.zeros(catalog.n_artists, np.int64)
        self._most[lengths > 0] = self._counts[begins[:-1][lengths > 0]]
        self._artist, self._segment = catalog.artist, np.empty(len(counts), np.int64)
        self._segment[self._tracks] = np.repeat(np.arange(len(starts)), self._places.lengths)
        self._left = self._places.lengths  # tracks of each segment that are not excluded, of one user at a time

    def contenders(
        self,
        rows: Iterable[Scores],
        power: float,
        k: int,
        exclude: Ragged | None,
        dtype: type[np.floating] = np.float64,
    ) -> Iterator[tuple[Ids, Scores]]:
        """Row by row some tracks and their scores, all positive; the k best that are not excluded are among them.

        rows: (n_artists,) of `dtype`, the score of each artist. A track scores that times its count ** power.
        """
        worth: Scores = np.arange(self._most.max(initial=0) + 1, dtype=dtype) ** power  # of every count
        most = worth[self._most]
        for number, of_artist in enumerate(rows):
            out = np.zeros(0, np.int64) if exclude is None else exclude[number]
            out = out[out < len(self._segment)]
            segment, artist = self._segment[out], self._artist[out]
            best = of_artist * most
            sure = best.copy()  # one track by each artist, unless that one is excluded
            sure[artist[segment == self._segments.offsets[artist]]] = 0
            np.subtract.at(self._left, segment, 1)
            yield self._on_shelves(_reaching(best, _bound(sure, k)), of_artist, worth, k)
            np.add.at(self._left, segment, 1)

    def _on_shelves(self, artists: Ids, of_artist: Scores, worth: Scores, k: int) -> tuple[Ids, Scores]:
        """The contenders on the shelves of these artists."""
        segments = self._segments.take(artists)
        score = of_artist[np.repeat(artists, segments.lengths)]
        bound = _kth_best(score * worth[self._last[segments.values]], self._left[segments.values], k)
        segment = _reaching(score * worth[self._first[segments.values]], bound)
        places = self._places.take(segments.values[segment])
        scores = score[np.repeat(segment, places.lengths)] * worth[self._counts[places.values]]
        reached = _reaching(scores, bound)
        return self._tracks[places.values[reached]], scores[reached]


def _reaching(scores: Scores, bound: float) -> Ids:
    """Places of the positive scores at or above a bound."""
    return np.flatnonzero(scores >= bound if bound > 0 else scores > 0)


def _bound(scores: Scores, k: int) -> float:
    """What at least k of the scores reach, and few more; 0 when this bound would take longer."""
    columns = 4 * k
    if len(scores) > columns:
        scores = scores[: len(scores) // columns * columns].reshape(-1, columns).max(axis=0)
    scores = scores[scores > 0]  # a partition is slow where many are equal
    return float(np.partition(scores, -k)[-k]) if len(scores) >= k else 0.0


def _kth_best(scores: Scores, times: Ids, k: int) -> float:
    """The k-th best of `scores`, each repeated `times` times; 0 when there are fewer than k."""
    order = np.argsort(-scores)
    place = int(np.searchsorted(np.cumsum(times[order]), k))
    return float(scores[order[place]]) if place < len(order) else 0.0
