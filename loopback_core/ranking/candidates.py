"""The candidates of requests: what any part of the score ranks high, since the lists are made of these."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids, Ragged
from loopback_core.ranking.pair_features import PersonalBags
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import ArtistTerm
from loopback_core.retrieval.top_k import top_k
from loopback_core.tasks.task import Task

NEAREST = 500
"""The towers' best of each request."""

MOST_POPULAR = 100
"""The best of every catalog feature."""

UNKNOWN = np.float32(0.1)
"""Added to log(1 + listeners), so that tracks without any differ by their artist."""

LARGEST = 60
"""The best of every personal feature, but for those of optional terms, of which none orders anything by itself."""


def most_popular(scorer: Scorer) -> Ids:
    """Candidates of everybody, distinct: the best by each catalog feature, of equals those with the lower ids."""
    values = np.ascontiguousarray(scorer.catalog_values.T)
    best = top_k(values[values.any(axis=1)], MOST_POPULAR, np.arange(values.shape[1])).tracks
    return np.unique(best[best != NOTHING])


def candidates_of(users: Floats, scorer: Scorer, task: Task, bags: PersonalBags, popular: Ids, tie_rank: Ids) -> Ragged:
    """The candidates of each user of a task, ascending. Holds the product of every user with every candidate.

    users: (rows, D) divided by the temperature. bags: of their histories. popular: from :func:`most_popular`. tie_rank:
    (n_candidates,) from :func:`tie_order`.
    """
    bags = [(term, bag) for term, bag in bags if not term.optional]
    ends = [np.searchsorted(bag.row, np.arange(len(users) + 1)) for _, bag in bags]
    allowed = np.ones(task.n_candidates, np.bool_)
    near = top_k(users @ scorer.vectors.T, NEAREST, tie_rank, task.exclude).tracks
    rows = []
    for row in range(len(users)):
        out = np.zeros(0, np.int64) if task.exclude is None else task.exclude[row]
        allowed[out] = False
        parts = [near[row][near[row] != NOTHING], popular]
        for (term, bag), of_rows in zip(bags, ends, strict=True):
            of_row = slice(of_rows[row], of_rows[row + 1])
            items, values = bag.items[of_row], bag.weights[of_row]
            if isinstance(term, ArtistTerm):
                parts += _of_artists(scorer, items, values, allowed)
            else:
                items = items - task.first_candidate
                inside = (items >= 0) & (items < task.n_candidates)
                parts += _largest(items[inside], values[inside], allowed)
        whole = np.unique(np.concatenate(parts))
        rows.append(whole[allowed[whole]])
        allowed[out] = True
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Ragged(offsets, np.concatenate([np.zeros(0, np.int64), *rows]))


def _of_artists(scorer: Scorer, artists: Ids, values: Floats, allowed: NDArray[np.bool_]) -> list[Ids]:
    """The LARGEST tracks of some artists, (n,), by each value of the artist, (n, features), times popularity."""
    of_artists = scorer.tracks_of_artist.take(artists)
    keep = allowed[of_artists.values]
    tracks, artist = of_artists.values[keep], of_artists.row_numbers()[keep]
    if len(tracks) <= LARGEST:
        return [tracks]
    popularity = scorer.popularity[tracks] + UNKNOWN
    # The largest products are those of the artists whose own largest is among the largest: few tracks are compared.
    begins = np.flatnonzero(np.diff(artist, prepend=-1))
    of_artist = values[artist[begins]]  # of those with a track that is allowed
    bounds = [
        reduced(popularity, begins)[:, None] * of_artist for reduced in (np.maximum.reduceat, np.minimum.reduceat)
    ]
    of_best = Ragged(np.append(begins, len(tracks)), np.arange(len(tracks)))
    found = []
    for column, bound in zip(values.T, np.maximum(*bounds).T, strict=True):
        place = of_best.take(_largest_of(bound)).values
        found.append(tracks[place[_largest_of(column[artist[place]] * popularity[place])]])
    return found


def _largest(tracks: Ids, values: Floats, allowed: NDArray[np.bool_]) -> list[Ids]:
    """The LARGEST tracks of each column of values, (n, columns)."""
    keep = allowed[tracks]
    tracks, values = tracks[keep], values[keep]
    return [tracks[_largest_of(column)] for column in values.T]


def _largest_of(values: Floats) -> Ids:
    """The places of the LARGEST of some values, (n,)."""
    if len(values) <= LARGEST:
        return np.arange(len(values))
    return np.argpartition(-values, LARGEST)[:LARGEST]
