"""Recommended tracks, as every recommender returns them."""

from dataclasses import dataclass

import numpy as np

from loopback_core.data.ragged import Floats, Ids

NOTHING = -1
"""Fills a list after its last recommended track."""


@dataclass(frozen=True)
class Ranking:
    """Recommended tracks, best first. A list shorter than k ends in NOTHING with score -inf: it is never padded."""

    tracks: Ids  # (rows, k)
    scores: Floats  # (rows, k)


def without_scores(tracks: Ids) -> Ranking:
    """Lists of which only the tracks were kept, (rows, k)."""
    return Ranking(tracks, np.zeros(tracks.shape, np.float32))
