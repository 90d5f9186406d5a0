"""How popular the tracks of a catalog are, and how popular lately."""

import numpy as np

from loopback_core.data import SECONDS_PER_DAY, FitData, Floats

TREND_DAYS = 60.0
"""Half-life of the plays that make a track's trend."""


def log_listeners(data: FitData) -> Floats:
    """log(1 + listeners) of every catalog track, (n_tracks,) float32."""
    listeners: Floats = np.log1p(data.catalog.listeners.astype(np.float64)).astype(np.float32)
    return listeners


def log_decayed_plays(data: FitData) -> Floats:
    """log(1 + decayed plays) of every catalog track, (n_tracks,) float32."""
    age = data.now - data.events.timestamp
    decayed = np.bincount(
        data.events.track, np.exp2(-age / (TREND_DAYS * SECONDS_PER_DAY)), minlength=data.catalog.n_tracks
    )
    plays: Floats = np.log1p(decayed).astype(np.float32)
    return plays


def popularity_columns(data: FitData) -> Floats:
    """Both, (n_tracks, 2) float32."""
    return np.stack([log_listeners(data), log_decayed_plays(data)], axis=1)
