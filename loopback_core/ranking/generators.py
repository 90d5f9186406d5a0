"""The generators of candidates, each by itself: what every one of them finds for a user, in its own order."""

from collections.abc import Iterator

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
from loopback_core.retrieval.top_k import top_k

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
    near = top_k(users.vectors @ scorer.vectors.T, k, tie_rank, exclude).tracks
    popular = np.argsort(-scorer.catalog_values[:, CATALOG_FEATURES.index("trend")], kind="stable")
    bags = {type(term): bag for term, bag in users.bags}
    is_out = np.zeros(len(scorer.vectors), np.bool_)
    for row, tracks in enumerate(near):
        out = np.zeros(0, np.int64) if exclude is None else exclude[row]
        is_out[out] = True
        head = popular[: k + len(out)]
        found = {TOWERS_GENERATOR: tracks[tracks != NOTHING], POPULAR_GENERATOR: head[~is_out[head]][:k]}
        for term, name in OF_TERM.items():
            low, high = np.searchsorted(bags[term].row, [row, row + 1])
            items, values = bags[term].items[low:high], bags[term].weights[low:high].sum(axis=1)
            if issubclass(term, ArtistTerm):
                items, values = _tracks_of(scorer, items, values)
            inside = ~is_out[items]
            items, values = items[inside], values[inside]
            found[name] = items[np.lexsort((tie_rank[items], -values))[:k]]
        is_out[out] = False
        yield found


def _tracks_of(scorer: Scorer, artists: Ids, values: Floats) -> tuple[Ids, Floats]:
    """All tracks of some artists, with the value of the artist times the popularity of the track."""
    of_artists = scorer.tracks_of_artist.take(artists)
    tracks = of_artists.values
    weighted: Floats = np.repeat(values, of_artists.lengths) * (scorer.popularity[tracks] + UNKNOWN)
    return tracks, weighted
