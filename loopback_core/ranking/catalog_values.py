"""What the score says of tracks to everybody alike."""

import numpy as np

from loopback_core.data import FitData, Floats
from loopback_core.ranking.terms import CATALOG_TERMS


def catalog_values(data: FitData) -> Floats:
    """(n_tracks, len(CATALOG_FEATURES)) float32: the catalog terms of every catalog track."""
    return np.concatenate([term.values(data) for term in CATALOG_TERMS], axis=1)
