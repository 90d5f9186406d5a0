"""The score that is served: the dot product of the towers, and what it leaves out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Histories, Ids
from loopback_core.errors import ArtifactError
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.towers.decayed_counts import EMPTY, Bag, Scale, artist_of_listens, decayed_plays

SCORING = "scoring.json"

POPULARITY_LENGTH = 0.1
"""How long the popularity dimensions of an indexed vector are at most, beside towers of length 1: a graph that is built
over inner products would otherwise be built over popularity."""

PRIOR_ARTISTS = 100
"""The artists of a history, the dearest ones, whose tracks get the artist's share of the prior: what a search has to
look at beside the index stays small however long the history."""


Decayed = tuple[tuple[float, float], ...]
"""(half-life in days, weight) of plays that are forgotten at several speeds; half-life 0: never."""


@dataclass(frozen=True)
class Scoring:
    """Weights of what is added to user · track / temperature, in nats.

    popularity * log(1 + listeners) and trend * log(1 + decayed plays) are dimensions of the indexed vectors. track and
    artist weigh the personal prior: log(1 + the user's decayed plays) of the track and of its artist. related weighs
    what the user's other artists say of the artist, see :class:`loopback_core.ranking.related_artists.RelatedArtists`.
    """

    popularity: float = 0.0
    trend: float = 0.0
    track: Decayed = ()
    artist: Decayed = ()
    related: float = 0.0


ALONE = Scoring()
"""The towers and nothing else."""


def save_scoring(scoring: Mapping[str, Scoring], folder: Path) -> None:
    """Write the scoring of each task."""
    (folder / SCORING).write_text(json.dumps(scoring_as_json(scoring), indent=1) + "\n", "utf-8")


def load_scoring(folder: Path) -> dict[str, Scoring]:
    """Read it back: task -> scoring.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        content = json.loads((folder / SCORING).read_text("utf-8"))
        return {task: _scoring(**weights) for task, weights in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The scoring in {folder} cannot be read ({error}); train the towers again.") from None


def scoring_as_json(scoring: Mapping[str, Scoring]) -> dict[str, dict[str, Any]]:
    """The scoring of each task as JSON can hold it: weights of plays by half-life."""
    return {
        task: {
            "popularity": of_task.popularity,
            "trend": of_task.trend,
            "track": {str(days): weight for days, weight in of_task.track},
            "artist": {str(days): weight for days, weight in of_task.artist},
            "related": of_task.related,
        }
        for task, of_task in scoring.items()
    }


def _scoring(
    popularity: float, trend: float, track: dict[str, float], artist: dict[str, float], related: float
) -> Scoring:
    tracks, artists = (tuple((float(days), weight) for days, weight in term.items()) for term in (track, artist))
    return Scoring(popularity, trend, tracks, artists, related)


@dataclass(frozen=True)
class Prior:
    """What some histories say about tracks and artists by themselves: one weight per pair."""

    tracks: Bag
    artists: Bag  # of each history the PRIOR_ARTISTS dearest, and those most related to its artists


def personal_prior(
    histories: Histories, artist: NDArray[np.int32], scoring: Scoring, related: RelatedArtists | None = None
) -> Prior:
    """The prior of each history, weights included. artist: (n_tracks,) the artist of every catalog track."""
    terms = (scoring.track, scoring.artist)
    if not (any(terms) or scoring.related):
        return Prior(EMPTY, EMPTY)
    bags = personal_plays(histories, artist, *([days for days, _ in term] for term in terms))
    tracks, artists = (
        _weighed(bag, [weight for _, weight in term]) if term else bag for bag, term in zip(bags, terms, strict=True)
    )
    if scoring.related and related is not None:
        near = related.of(histories, artist)
        artists = _added(artists, _weighed(near, [scoring.related]))
    return Prior(tracks, artists)


def _weighed(bag: Bag, weights: list[float]) -> Bag:
    """One weight per item: of its scales the weighted sum."""
    return Bag(bag.items, bag.weights @ np.array(weights, np.float32)[:, None], bag.row)


def _added(one: Bag, other: Bag) -> Bag:
    """Both bags in one; of an item that is in both the weights are added up."""
    row, items = np.concatenate([one.row, other.row]), np.concatenate([one.items, other.items])
    n = int(items.max(initial=0)) + 1
    keys, place = np.unique(row * n + items, return_inverse=True)
    weights = np.bincount(place, np.concatenate([one.weights, other.weights])[:, 0], minlength=len(keys))
    return Bag(keys % n, weights[:, None].astype(np.float32), keys // n)


def personal_plays(
    histories: Histories, artist: NDArray[np.int32], track_days: list[float], artist_days: list[float]
) -> tuple[Bag, Bag]:
    """log(1 + decayed plays) of every track and of the dearest artists, a column for each half-life."""
    track = histories.tracks.values
    of_catalog = np.where(track < len(artist), track, -1)
    tracks, artists = (
        decayed_plays(histories, items, [Scale(d, 0) for d in days]) if days else EMPTY
        for items, days in ((of_catalog, track_days), (artist_of_listens(histories, artist), artist_days))
    )
    return tracks, _dearest(artists, len(histories))


def _dearest(bag: Bag, rows: int) -> Bag:
    """The PRIOR_ARTISTS items of the largest weight of each row; of several scales their sum decides."""
    order = np.lexsort((bag.items, -bag.weights.sum(axis=1), bag.row))
    counts = np.bincount(bag.row, minlength=rows)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[place < PRIOR_ARTISTS]
    return Bag(bag.items[kept], bag.weights[kept], bag.row[kept])


def indexed_vectors(vectors: Floats, popularity: Floats) -> Floats:
    """(n, D + 2): what an index holds, the towers' unit vectors and after them popularity, scaled down."""
    return np.concatenate([vectors, popularity * _scale(popularity)], axis=1)


def queries(users: Floats, scoring: Scoring, popularity: Floats) -> Floats:
    """(rows, D + 2): what is asked of it; the inner product is the served score but for the personal prior.

    users: (rows, D) divided by the temperature. popularity: that of the indexed tracks, which tells how it was scaled.
    """
    weights = np.array([scoring.popularity, scoring.trend], np.float32) / _scale(popularity)
    return np.concatenate([users, np.tile(weights, (len(users), 1))], axis=1).astype(np.float32)


def _scale(popularity: Floats) -> np.float32:
    return np.float32(POPULARITY_LENGTH / max(float(np.linalg.norm(popularity, axis=1).max(initial=0)), 1e-6))


def add_prior(scores: Floats, prior: Prior, artist: NDArray[np.int32], n_artists: int) -> None:
    """Add the prior to a block of scores, (rows, n_candidates), in place. artist: (n_candidates,) below n_artists."""
    np.add.at(scores, (prior.tracks.row, prior.tracks.items), prior.tracks.weights[:, 0])
    for row in np.unique(prior.artists.row):
        low, high = np.searchsorted(prior.artists.row, [row, row + 1])
        of_artist = np.zeros(n_artists, np.float32)
        of_artist[prior.artists.items[low:high]] = prior.artists.weights[low:high, 0]
        scores[row] += of_artist[artist]


def lookup(bag: Bag, row: Ids, items: Ids, n_items: int) -> Floats:
    """(n, scales): the weights of each (row, item) in a bag, 0 where there is none. row, items: (n,)."""
    if not len(bag.row):
        return np.zeros((len(row), bag.weights.shape[1]), np.float32)
    keys, wanted = bag.row * n_items + bag.items, row * n_items + items
    order = np.argsort(keys)
    found = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
    return np.where((keys[found] == wanted)[:, None], bag.weights[found], np.float32(0))
