"""The features of pairs of a user and a track: one path, which fitting and serving both take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Histories, Ids
from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.ranking.terms import PERSONAL_TERMS, Knowledge, PersonalTerm
from loopback_core.towers.decayed_counts import EMPTY, Bag

HalfLives = Mapping[str, Sequence[float]]
"""Personal term -> the half-lives at which it is read; a term that is missing is not read."""

EVERY_FEATURE: HalfLives = {term.name: term.half_lives or (0.0,) for term in PERSONAL_TERMS}


def personal_features(histories: Histories, knowledge: Knowledge, half_lives: HalfLives) -> dict[str, Bag]:
    """Term -> what it says of the tracks or artists of each history, a weight for each of its half-lives."""
    return {
        term.name: term.bag(histories, knowledge, half_lives[term.name])
        for term in PERSONAL_TERMS
        if half_lives.get(term.name)
    }


def pair_features(term: PersonalTerm, bag: Bag, row: Ids, track: Ids, artist: Ids) -> Floats:
    """(n, half-lives): the values of a term for n pairs, 0 where its bag has none.

    row: (n,) number of the history. track, artist: (n,) ids of the track in the log and of its artist.
    """
    item = track if term.over == "tracks" else artist
    n_items = int(max(item.max(initial=0), bag.items.max(initial=0))) + 1
    return lookup(bag, row, item, n_items)


def lookup(bag: Bag, row: Ids, items: Ids, n_items: int) -> Floats:
    """(n, scales): the weights of each (row, item) in a bag, 0 where there is none. row, items: (n,)."""
    if not len(bag.row):
        return np.zeros((len(row), bag.weights.shape[1]), np.float32)
    keys, queries = bag.row * n_items + bag.items, row * n_items + items
    order = np.argsort(keys)
    place = order[np.minimum(np.searchsorted(keys[order], queries), len(keys) - 1)]
    return np.where((keys[place] == queries)[:, None], bag.weights[place], np.float32(0))


@dataclass(frozen=True)
class Prior:
    """What the personal terms add to the score of some histories: a weight for each track, and each track of an artist."""

    tracks: Bag
    artists: Bag


def personal_prior(histories: Histories, knowledge: Knowledge, ranker: LinearRanker) -> Prior:
    """The weighted sum of the personal terms. It is linear, so it is summed before pairs are looked up."""
    weights = {term.name: ranker.of_term(term) for term in PERSONAL_TERMS}
    half_lives = {name: [days for days, _ in of_term] for name, of_term in weights.items()}
    bags = personal_features(histories, knowledge, half_lives)
    summed = {"tracks": EMPTY, "artists": EMPTY}
    for term in PERSONAL_TERMS:
        if term.name in bags:
            weighted = _weighted(bags[term.name], [weight for _, weight in weights[term.name]])
            summed[term.over] = _sum(summed[term.over], weighted)
    return Prior(**summed)


def _weighted(bag: Bag, weights: list[float]) -> Bag:
    """One weight per item: the weighted sum over its half-lives."""
    if not len(bag.items):
        return EMPTY
    return Bag(bag.items, bag.weights @ np.array(weights, np.float32)[:, None], bag.row)


def _sum(one: Bag, other: Bag) -> Bag:
    """Both bags in one; the weights of an item that is in both are added up."""
    if not len(one.items) or not len(other.items):
        return one if len(one.items) else other
    row, items = np.concatenate([one.row, other.row]), np.concatenate([one.items, other.items])
    n = int(items.max(initial=0)) + 1
    keys, place = np.unique(row * n + items, return_inverse=True)
    weights = np.bincount(place, np.concatenate([one.weights, other.weights])[:, 0], minlength=len(keys))
    return Bag(keys % n, weights[:, None].astype(np.float32), keys // n)


def add_prior(scores: Floats, prior: Prior, artist: NDArray[np.int32], n_artists: int) -> None:
    """Add the prior to a block of scores, (rows, n_candidates), in place. artist: (n_candidates,) below n_artists."""
    np.add.at(scores, (prior.tracks.row, prior.tracks.items), prior.tracks.weights[:, 0])
    for row in np.unique(prior.artists.row):
        low, high = np.searchsorted(prior.artists.row, [row, row + 1])
        of_artist = np.zeros(n_artists, np.float32)
        of_artist[prior.artists.items[low:high]] = prior.artists.weights[low:high, 0]
        scores[row] += of_artist[artist]
