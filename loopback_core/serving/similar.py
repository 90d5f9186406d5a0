"""Tracks and artists that are near each other in the space of the towers."""

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ragged
from loopback_core.serving.blocked_tracks import NOTHING_BLOCKED, BlockedTracks

Near = list[tuple[int, float]]
"""Ids with their cosines, the nearest first."""


def similar_tracks(served: ServedBundle, track: int, k: int, blocked: BlockedTracks = NOTHING_BLOCKED) -> Near:
    """The k tracks nearest to one, as the index finds them; not the track itself, and none that is blocked."""
    bundle = served.bundle
    k = min(k, len(bundle.vectors) - 1)
    if k < 1:
        return []
    exclude = np.union1d(blocked.tracks, [track])
    best = bundle.index.search(
        np.array(bundle.vectors[track : track + 1]), k, Ragged(np.array([0, len(exclude)]), exclude)
    )
    given = best.tracks[0] != NOTHING
    return list(zip(best.tracks[0][given].tolist(), best.scores[0][given].tolist(), strict=True))


def similar_artists(served: ServedBundle, artist: int, k: int, blocked: BlockedTracks = NOTHING_BLOCKED) -> Near:
    """The k artists nearest to one, by the mean directions of their tracks; not the artist, and none who is blocked."""
    cosines = served.artist_vectors @ served.artist_vectors[artist]
    out = np.union1d(blocked.artists, [artist])
    cosines[out] = -np.inf
    k = min(k, len(cosines) - len(out))
    if k < 1:
        return []
    near = np.argpartition(-cosines, k - 1)[:k]
    near = near[np.lexsort((near, -cosines[near]))]
    return [(int(one), float(cosines[one])) for one in near]
