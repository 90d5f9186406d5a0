"""Tracks and artists that are near each other in the space of the towers."""

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ragged

Near = list[tuple[int, float]]
"""Ids with their cosines, the nearest first."""


def similar_tracks(served: ServedBundle, track: int, k: int) -> Near:
    """The k tracks nearest to one, as the index finds them; not the track itself."""
    bundle = served.bundle
    query = np.concatenate([bundle.vectors[track], np.zeros(bundle.catalog_values.shape[1], np.float32)])
    k = min(k, len(bundle.vectors) - 1)
    if k < 1:
        return []
    best = bundle.index.search(query[None], k, Ragged(np.array([0, 1]), np.array([track])))
    given = best.tracks[0] != NOTHING
    return list(zip(best.tracks[0][given].tolist(), best.scores[0][given].tolist(), strict=True))


def similar_artists(served: ServedBundle, artist: int, k: int) -> Near:
    """The k artists nearest to one, by the mean directions of their tracks; not the artist."""
    cosines = served.artist_vectors @ served.artist_vectors[artist]
    cosines[artist] = -np.inf
    k = min(k, len(cosines) - 1)
    if k < 1:
        return []
    near = np.argpartition(-cosines, k - 1)[:k]
    near = near[np.lexsort((near, -cosines[near]))]
    return [(int(one), float(cosines[one])) for one in near]
