"""The generators of candidates, each by itself: what every one of them finds for a user, in its own order."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from loopback_core.data import NOTHING, Floats, Ids, Ragged
from loopback_core.ranking.candidates import UNKNOWN
from loopback_core.ranking.scorer import EncodedUsers, Scorer
from loopback_core.ranking.terms import (
    CATALOG_FEATURES,
    ArtistPlaysTerm,
    ArtistTerm,
    NeighboursTerm,
    PersonalTerm,
    RelatedTerm,
    TrackPlaysTerm,
)
from loopback_core.retrieval.top_k import rank_rows, top_k
from loopback_core.towers.decayed_counts import Bag

TOWERS_GENERATOR, POPULAR_GENERATOR = "towers", "popular lately"

OF_TERM: dict[type[PersonalTerm], str] = {
    TrackPlaysTerm: "tracks of the history",
    NeighboursTerm: "tracks that follow, or share sessions with, the last ones",
    ArtistPlaysTerm: "tracks of artists of the history",
    RelatedTerm: "tracks of related artists",
}
"""Term of the score -> the generator that it is: every track to which it gives a value."""

GENERATORS = (TOWERS_GENERATOR, *OF_TERM.values(), POPULAR_GENERATOR)


def generated(
    scorer: Scorer, users: EncodedUsers, k: int, exclude: Ragged | None, tie_rank: Ids
) -> Iterator[dict[str, Ids]]:
    """For every user the k best candidates of each generator, best first.

    scorer: of candidates that are the catalog. users: with their bags. exclude: per row the candidates to leave out.
    """
    ranked = {TOWERS_GENERATOR: top_k(users.vectors @ scorer.vectors.T, k, tie_rank, exclude).tracks}
    for term, bag in users.bags:
        if name := OF_TERM.get(type(term)):
            rows = _rows_of(scorer, term, bag, len(users.vectors))
            ranked[name] = rank_rows(rows, len(users.vectors), k, tie_rank, exclude).tracks
    popular = np.argsort(-scorer.catalog_values[:, CATALOG_FEATURES.index("trend")], kind="stable")
    for row in range(len(users.vectors)):
        lists = {name: tracks[row][tracks[row] != NOTHING] for name, tracks in ranked.items()}
        out = np.zeros(0, np.int64) if exclude is None else exclude[row]
        head = popular[: k + len(out)]
        yield lists | {POPULAR_GENERATOR: head[~np.isin(head, out)][:k]}


def _rows_of(scorer: Scorer, term: PersonalTerm, bag: Bag, n_rows: int) -> Iterator[tuple[Ids, Floats]]:
    """For each history the tracks to which a term gives a value, and the sums of its features."""
    ends = np.searchsorted(bag.row, np.arange(n_rows + 1))
    for low, high in pairwise(ends.tolist()):
        items, values = bag.items[low:high], bag.weights[low:high].sum(axis=1)
        yield _tracks_of(scorer, items, values) if isinstance(term, ArtistTerm) else (items, values)


def _tracks_of(scorer: Scorer, artists: Ids, values: Floats) -> tuple[Ids, Floats]:
    """All tracks of some artists, with the value of the artist times the popularity of the track."""
    of_artists = scorer.tracks_of_artist.take(artists)
    tracks = of_artists.values
    weighted: Floats = np.repeat(values, of_artists.lengths) * (scorer.popularity[tracks] + UNKNOWN)
    return tracks, weighted
