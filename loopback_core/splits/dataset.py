"""Reading the splits back: the parts, and the fit data for tuning and for testing."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Catalog, Events, FitData, Ids
from loopback_core.data.names import TrackNames
from loopback_core.features.demographics import demographic_codes
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.splits.histories_files import read_histories
from loopback_core.tasks.period import Period


@dataclass(frozen=True)
class Splits:
    """The published splits, read on first use. `folder` is what :func:`split_listens` wrote."""

    folder: Path

    @cached_property
    def train(self) -> Events:
        """The events of train."""
        return _read_events(self.folder / "train.parquet")

    @cached_property
    def validation(self) -> Events:
        """The events of validation."""
        return _read_events(self.folder / "validation.parquet")

    @cached_property
    def test(self) -> Events:
        """The events of test: for measuring, never for fitting."""
        return _read_events(self.folder / "test.parquet")

    @cached_property
    def held_out(self) -> pl.DataFrame:
        """user, track, timestamp and part (that of the cut) of what held-out users played before test; mostly empty."""
        path = self.folder / "held_out" / "events.parquet"
        empty = pl.DataFrame(schema={"user": pl.Int32, "track": pl.Int32, "timestamp": pl.Datetime, "part": pl.Int8})
        return pl.read_parquet(path, glob=False) if path.exists() else empty

    @cached_property
    def tuning(self) -> FitData:
        """Fit data while settings are tuned on validation: train."""
        return self._fit_data(self.train, "tuning")

    @cached_property
    def testing(self) -> FitData:
        """Fit data at test time: train and validation."""
        return self._fit_data(self.train.then(self.validation), "testing")

    @cached_property
    def everything(self) -> FitData:
        """Fit data at the end of the log: the three parts, and what held-out users played of their tracks.

        For what is served after the evaluation: nothing is left to measure it on.
        """
        events = self.train.then(self.validation).then(self.test)
        n_tracks, held_out = int(events.track.max()) + 1, self.held_out
        known = held_out.filter(held_out["track"] < n_tracks).sort("timestamp")
        times = known["timestamp"].dt.epoch("s").to_numpy()
        more = Events(known["user"].to_numpy(), known["track"].to_numpy(), times)
        events = events.then(more)
        catalog = count_catalog(events, self.log_artist)
        return FitData(events, catalog, int(events.timestamp[-1]), self.demographics, self._names, self._cut_by_user)

    @cached_property
    def tuning_period(self) -> Period:
        """Validation, for tuning: known at its beginning is train."""
        return Period(self.tuning, self.validation, self._scored_users, self.log_artist)

    @cached_property
    def testing_period(self) -> Period:
        """Test, for measuring: known at its beginning are train and validation; the reference protocol fits train."""
        return Period(self.testing, self.test, self._scored_users, self.log_artist, early_fit=self.tuning)

    @property
    def _scored_users(self) -> Ids:
        """The users who occur in train."""
        return np.flatnonzero(np.bincount(self.train.user))

    @cached_property
    def users(self) -> pl.DataFrame:
        """user, user_id, first_part and the profile columns, by dense id."""
        return pl.read_parquet(self.folder / "users.parquet", glob=False)

    @cached_property
    def demographics(self) -> NDArray[np.int16] | None:
        """(users, 3) codes of gender, age and country by dense id; None where the log came without profiles."""
        return demographic_codes(self.users) if "gender" in self.users.columns else None

    @cached_property
    def mbids(self) -> pl.DataFrame:
        """track_mbid and artist_mbid of every track of the log, by dense id; null where the log has none."""
        columns = ["track_mbid", "artist_mbid"]
        return pl.concat(pl.read_parquet(path, columns=columns, glob=False) for path in self._every("tracks"))

    @cached_property
    def track_names(self) -> pl.DataFrame:
        """artist_name and track_name of every track of the log, by dense id (log-only tracks last)."""
        columns = ("track", "artist", "artist_name", "track_name")
        return pl.concat(pl.read_parquet(path, columns=list(columns), glob=False) for path in self._every("tracks"))

    @cached_property
    def _names(self) -> TrackNames:
        return TrackNames(lambda: self.track_names)

    @property
    def log_artist(self) -> NDArray[np.int32]:
        """The artist of every track of the log, (n_log_tracks,)."""
        return self.track_names["artist"].to_numpy()

    @cached_property
    def n_log_artists(self) -> int:
        """Artists of the whole log."""
        return sum(
            pl.scan_parquet(path, glob=False).select(pl.len()).collect().item() for path in self._every("artists")
        )

    def forget(self) -> None:
        """Free what was read; it is read again on next use."""
        for name in [name for name in vars(self) if isinstance(vars(type(self)).get(name), cached_property)]:
            del vars(self)[name]

    def _every(self, what: str) -> list[Path]:
        return [self.folder / part / f"{what}.parquet" for part in ("testing", "log_only")]

    def _fit_data(self, events: Events, phase: str) -> FitData:
        tracks = pl.read_parquet(self.folder / phase / "tracks.parquet", glob=False)
        artists = pl.read_parquet(self.folder / phase / "artists.parquet", glob=False)
        counts = ("plays", "listeners", "first_seen")
        catalog = Catalog(
            int(events.user.max()) + 1,
            tracks["artist"].to_numpy(),
            *(tracks[name].to_numpy() for name in counts),
            *(artists[name].to_numpy() for name in counts),
        )
        events = replace(events, published=read_histories(self.folder, phase))
        now = int(events.timestamp[-1])
        return FitData(events, catalog, now, self.demographics, self._names, self._cut_by_user)

    @cached_property
    def _cut_by_user(self) -> bool:
        """Whether the parts overlap in time: each history was cut by itself, and the end of the log is no user's present."""
        return bool(self.train.timestamp[-1] > self.validation.timestamp[0])


def _read_events(path: Path) -> Events:
    frame = pl.read_parquet(path, glob=False).with_columns(pl.col("timestamp").dt.epoch("s"))
    return Events(frame["user"].to_numpy(), frame["track"].to_numpy(), frame["timestamp"].to_numpy())
