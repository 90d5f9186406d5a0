"""Ids of today's log as another bundle has them: both number tracks and artists in their own way, names are the same."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from loopback_core.data import NOTHING, Histories, Ids, Ragged
from loopback_core.recommenders.bundle import Bundle


@dataclass(frozen=True)
class Translation:
    """From the ids of a log to those of a bundle, and back."""

    listen: (
        Ids  # (log tracks,) the id in a history, see `Bundle.listen_ids`; -1: the bundle knows neither track nor artist
    )
    n_tracks: int  # of the bundle
    track: Ids  # (n_tracks,) the id in the log; NOTHING where the log has no such track

    @classmethod
    def between(cls, names: pl.DataFrame, bundle: Bundle) -> Self:
        """names: artist_name and track_name of every track of the log, by id."""
        tracks, artists = bundle.keys.find(names["artist_name"].to_list(), names["track_name"].to_list())
        n_tracks = bundle.catalog.n_tracks
        back = np.full(n_tracks, NOTHING, np.int64)
        known = np.flatnonzero(tracks >= 0)[::-1]  # of two names that are one to the bundle the first counts
        back[tracks[known]] = known
        return cls(bundle.listen_ids(tracks, artists), n_tracks, back)

    def histories(self, histories: Histories, has_profiles: bool) -> Histories:
        """What the bundle knows of these listens, the users unknown to it. has_profiles: whether its towers read profiles."""
        ids = self.listen[histories.tracks.values]
        row = histories.tracks.row_numbers()
        known = ids >= 0
        lengths = np.bincount(row[known], minlength=len(histories))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        demographics = histories.demographics
        if not has_profiles:
            demographics = None
        elif demographics is None:
            demographics = np.zeros((len(histories), 3), np.int16)
        return replace(
            histories,
            users=np.full(len(histories), -1, np.int64),
            tracks=Ragged(offsets, ids[known]),
            timestamps=histories.timestamps[known],
            demographics=demographics,
        )

    def exclude(self, tracks: Ragged) -> Ragged:
        """Rows of distinct tracks of the bundle."""
        ids, row = self.listen[tracks.values], tracks.row_numbers()
        known = (ids >= 0) & (ids < self.n_tracks)
        pairs = np.unique(row[known] * self.n_tracks + ids[known])
        return Ragged.from_pairs(pairs // self.n_tracks, pairs % self.n_tracks, len(tracks))

    def to_log(self, tracks: Ids) -> Ids:
        """Recommended tracks of the bundle, (rows, k), by their ids in the log; a list keeps its places."""
        ids: Ids = np.where(tracks == NOTHING, NOTHING, self.track[tracks])
        return ids
