"""How popular the tracks of a catalog are, and how popular lately."""

import numpy as np

from loopback_core.data import SECONDS_PER_DAY, FitData, Floats

TREND_DAYS = 60.0
"""Half-life of the plays that make a track's trend."""


def popularity_columns(data: FitData) -> Floats:
    """(n_tracks, 2) float32: log(1 + listeners) and log(1 + decayed plays) of every catalog track."""
    age = data.now - data.events.timestamp
    decayed = np.bincount(
        data.events.track, np.exp2(-age / (TREND_DAYS * SECONDS_PER_DAY)), minlength=data.catalog.n_tracks
    )
    return np.log1p(np.stack([data.catalog.listeners, decayed], axis=1)).astype(np.float32)
