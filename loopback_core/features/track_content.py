"""What the track tower reads of each track."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, FitData, Floats, Ids
from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.columns import read_columns
from loopback_core.features.popularity_columns import popularity_columns
from loopback_core.settings import TowersSettings


@dataclass(frozen=True)
class TrackContent:
    """Row i of every array is of track i."""

    artist: NDArray[np.int32]  # (n,)
    names: TrackNames | None = None
    statistics: Floats | None = None  # (n, 4), NaN for tracks that the fit data does not know
    columns: Floats | None = None  # (n, F), NaN where unknown

    def __len__(self) -> int:
        return len(self.artist)

    @property
    def widths(self) -> tuple[int, int]:
        """Number of statistics and of columns of a track."""
        return tuple(0 if part is None else part.shape[1] for part in (self.statistics, self.columns))  # type: ignore[return-value]

    def dense(self, tracks: Ids) -> Floats | None:
        """(rows, 4 + F): statistics, then columns."""
        parts = [part[tracks] for part in (self.statistics, self.columns) if part is not None]
        return np.concatenate(parts, axis=1) if parts else None


def track_content(fit: FitData, settings: TowersSettings, artist: NDArray[np.int32] | None = None) -> TrackContent:
    """What the settings name. artist: (n,) artist of every track to describe; None: the catalog.

    Raises:
        SettingsError: the log came without names, or the file of columns cannot be used.
    """
    artist = fit.catalog.artist if artist is None else artist
    if (settings.sum.ngram_buckets or settings.sum.features) and fit.names is None:
        raise SettingsError("towers.sum.ngram_buckets and towers.sum.features need the names of the tracks.")
    columns = None
    if settings.sum.features and fit.names is not None:
        columns = read_columns(Path(settings.sum.features), fit.names.frame.head(len(artist)))
    return TrackContent(
        artist,
        fit.names if settings.sum.ngram_buckets else None,
        _statistics(fit, len(artist)) if settings.sum.track_statistics else None,
        columns,
    )


def _statistics(fit: FitData, n: int) -> Floats:
    """log(1 + x) of listeners, decayed plays, plays, and days since a track was first heard."""
    days = np.maximum(fit.now - fit.catalog.first_seen, 0) / SECONDS_PER_DAY
    more = np.log1p(np.stack([fit.catalog.plays, days], axis=1)).astype(np.float32)
    known = np.concatenate([popularity_columns(fit), more], axis=1)[:n]
    return np.concatenate([known, np.full((n - len(known), known.shape[1]), np.nan, np.float32)])
