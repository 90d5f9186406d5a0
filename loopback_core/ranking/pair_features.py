"""The features of pairs of a user and a track: one path, which fitting and serving both take."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from loopback_core.data import Floats, Ids, Ragged
from loopback_core.ranking.linear_ranker import LinearRanker, popular
from loopback_core.ranking.terms import (
    ARTIST_TERMS,
    TRACK_TERMS,
    ArtistTerm,
    Listened,
    PersonalTerm,
    TrackTerm,
)
from loopback_core.towers.decayed_counts import Bag

PersonalBags = list[tuple[PersonalTerm, Bag]]
"""Terms with what they say of the tracks or artists of some histories."""


def personal_bags(listened: Listened) -> PersonalBags:
    """What every personal term says of each history."""
    return [(term, listened.bag(term)) for term in (*TRACK_TERMS, *ARTIST_TERMS)]


def pair_features(bags: PersonalBags, row: Ids, track: Ids, artist: Ids, popularity: Floats) -> Floats:
    """(n, personal features) of n pairs, in the order of FEATURES; 0 where a term says nothing.

    row: (n,) number of the history. track, artist: (n,) ids of the track in the log and of its artist. popularity:
    (n,) log(1 + listeners) of the track.
    """
    of_tracks, of_artists, of_popular = [], [], []
    for term, bag in bags:
        item = track if isinstance(term, TrackTerm) else artist
        n_items = int(max(item.max(initial=0), bag.items.max(initial=0))) + 1
        values = lookup(bag, row, item, n_items)
        if isinstance(term, ArtistTerm):
            of_artists.append(values)
            of_popular.append(values[:, _columns(term, term.by_popularity)] * popularity[:, None])
        else:
            of_tracks.append(values)
    return np.concatenate([*of_tracks, *of_artists, *of_popular], axis=1)


def _columns(term: PersonalTerm, names: Sequence[str]) -> list[int]:
    return [term.features.index(name) for name in names]


def lookup(bag: Bag, row: Ids, items: Ids, n_items: int) -> Floats:
    """(n, columns): the weights of each (row, item) in a bag, 0 where there is none. row, items: (n,)."""
    if not len(bag.row):
        return np.zeros((len(row), bag.weights.shape[1]), np.float32)
    keys, queries = bag.row * n_items + bag.items, row * n_items + items
    place = np.minimum(np.searchsorted(keys, queries), len(keys) - 1)
    return np.where((keys[place] == queries)[:, None], bag.weights[place], np.float32(0))


@dataclass(frozen=True)
class Prior:
    """What the personal terms add to the score of some histories.

    A track of an artist gets the first weight of the artist, and the second one times its log(1 + listeners).
    """

    tracks: Bag  # one weight
    artists: Bag  # two weights

    def of_row(self, row: int) -> "Prior":
        """That of one history."""
        return Prior(self.tracks.of_row(row), self.artists.of_row(row))


def personal_prior(listened: Listened, ranker: LinearRanker) -> Prior:
    """The weighted sum of the personal terms. It is linear, so it is summed before pairs are looked up."""
    tracks, artists = [], []
    for track_term in TRACK_TERMS:
        weights = ranker.of_features(track_term.features)[:, None]
        if weights.any():
            tracks.append(_weighted(listened.bag(track_term), weights))
    for term in ARTIST_TERMS:
        weights = np.zeros((len(term.features), 2), np.float32)
        weights[:, 0] = ranker.of_features(term.features)
        weights[_columns(term, term.by_popularity), 1] = ranker.of_features([popular(f) for f in term.by_popularity])
        if weights.any():
            artists.append(_weighted(listened.bag(term), weights))
    return Prior(_sum(tracks, 1), _sum(artists, 2))


def _weighted(bag: Bag, weights: Floats) -> Bag:
    """Weighted sums over the columns. weights: (columns, sums)."""
    return Bag(bag.items, bag.weights @ weights, bag.row)


def _sum(bags: list[Bag], width: int) -> Bag:
    """All bags in one; the weights of an item that is in several are added up."""
    bags = _of_same_items(bags)
    none = np.zeros(0, np.int64)
    row, items = (np.concatenate([none, *arrays]) for arrays in ([b.row for b in bags], [b.items for b in bags]))
    weights = np.concatenate([np.zeros((0, width), np.float32), *(bag.weights for bag in bags)])
    keys = row * (int(items.max(initial=0)) + 1) + items
    order = np.argsort(keys, kind="stable")  # a few ascending runs, which are merged
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    summed = np.add.reduceat(weights[order], first, axis=0) if len(first) else weights
    return Bag(items[order[first]], summed, row[order[first]])


def _of_same_items(bags: list[Bag]) -> list[Bag]:
    """Those that share one array of items as one bag: terms that say something of every item that was heard."""
    sums: dict[int, Bag] = {}
    for bag in bags:
        same = sums.get(id(bag.items))
        sums[id(bag.items)] = bag if same is None else Bag(bag.items, same.weights + bag.weights, bag.row)
    return list(sums.values())


def add_prior(scores: Floats, prior: Prior, tracks_of_artist: Ragged, popularity: Floats) -> None:
    """Add the prior to a block of scores, (rows, n_candidates), in place.

    Only the tracks of its artists are touched, which are few of a large catalog. tracks_of_artist: row a: the candidates by
    artist a. popularity: (n_candidates,) log(1 + listeners).
    """
    np.add.at(scores, (prior.tracks.row, prior.tracks.items), prior.tracks.weights[:, 0])
    ends = np.searchsorted(prior.artists.row, np.arange(len(scores) + 1))
    for row, (low, high) in enumerate(pairwise(ends.tolist())):
        of_artists = tracks_of_artist.take(prior.artists.items[low:high])
        tracks, weights = of_artists.values, np.repeat(prior.artists.weights[low:high], of_artists.lengths, axis=0)
        scores[row, tracks] += weights[:, 0]
        scores[row, tracks] += weights[:, 1] * popularity[tracks]
