"""The catalog: users, tracks and artists that are known at prediction time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loopback_core.data.ragged import Ragged


@dataclass(frozen=True)
class Catalog:
    """What is known of users, tracks and artists at prediction time, and nothing later."""

    n_users: int
    artist: NDArray[np.int32]  # (n_tracks,) artist of each track
    plays: NDArray[np.int64]  # (n_tracks,) events in the fit data
    listeners: NDArray[np.int64]  # (n_tracks,) distinct users in the fit data
    first_seen: NDArray[np.int64]  # (n_tracks,) seconds since 1970-01-01 UTC
    artist_plays: NDArray[np.int64]  # (n_artists,)
    artist_listeners: NDArray[np.int64]  # (n_artists,)
    artist_first_seen: NDArray[np.int64]  # (n_artists,)

    @property
    def n_tracks(self) -> int:
        """Tracks in the catalog."""
        return len(self.artist)

    @property
    def n_artists(self) -> int:
        """Artists in the catalog."""
        return len(self.artist_plays)

    @cached_property
    def tracks_of_artist(self) -> Ragged:
        """Row a: the tracks of artist a."""
        return Ragged.from_pairs(self.artist.astype(np.int64), np.arange(self.n_tracks), self.n_artists)
