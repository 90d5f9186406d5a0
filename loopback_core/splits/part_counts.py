"""What is counted of the whole log before its users, tracks and artists get their ids."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.settings import SplitSettings
from loopback_core.splits.catalog_counts import NOT_PLAYED, CatalogCounts
from loopback_core.splits.cut import (
    HELD_OUT,
    TEST,
    TRAIN,
    VALIDATION,
    Boundaries,
    Parts,
    boundaries_of,
    cut,
    held_out_users,
    hold_out,
)
from loopback_core.splits.numbered_log import NumberedLog, UserBlock

EVERY_PART = (TRAIN, VALIDATION, TEST, HELD_OUT)


@dataclass(frozen=True)
class CutLog:
    """A numbered log and where it is cut."""

    log: NumberedLog
    settings: SplitSettings
    boundaries: Boundaries | None
    held_out: NDArray[np.bool_]  # (users,)

    @classmethod
    def of(cls, log: NumberedLog, settings: SplitSettings) -> "CutLog":
        """Find the boundaries, and draw the held-out users."""
        boundaries = boundaries_of(log.timestamps, settings)
        return cls(log, settings, boundaries, held_out_users(len(log.listens), settings))

    def blocks(self, block_rows: int) -> Iterator[tuple[UserBlock, Parts, Parts]]:
        """The blocks of the log, with the part of each listen, and that of the cut: they differ for held-out users."""
        for block in self.log.blocks(block_rows):
            cut_part = cut(block.user, block.timestamp, self.settings, self.boundaries)
            yield block, hold_out(self.held_out[block.user], cut_part), cut_part


class PartCounts:
    """How many listens each user has in each part, where each track and artist occurs, and both catalogs."""

    def __init__(self, log: NumberedLog) -> None:
        n_users, n_tracks, n_artists = len(log.listens), len(log.tracks), len(log.artists)
        self._artist_of_track = log.artist_of_track
        self.of_users = np.zeros((len(EVERY_PART), n_users), np.int64)
        self._has_track = np.zeros((len(EVERY_PART), n_tracks), np.bool_)
        self._has_artist = np.zeros((len(EVERY_PART), n_artists), np.bool_)
        self.tuning = CatalogCounts(log.artist_of_track, n_artists)
        self.testing = CatalogCounts(log.artist_of_track, n_artists)
        self.first = np.full(len(EVERY_PART), NOT_PLAYED)  # moments, by part
        self.last = np.full(len(EVERY_PART), -1)

    def add(self, block: UserBlock, part: Parts) -> None:
        """Count a block of the log."""
        for p in EVERY_PART:
            of_part = part == p
            if not np.any(of_part):
                continue
            track, moments = block.track[of_part], block.timestamp[of_part]
            self.of_users[p] += np.bincount(block.user[of_part], minlength=self.of_users.shape[1])
            self._has_track[p, track] = True
            self._has_artist[p, self._artist_of_track[track]] = True
            self.first[p], self.last[p] = min(self.first[p], moments.min()), max(self.last[p], moments.max())
        for counts, last_part in ((self.tuning, TRAIN), (self.testing, VALIDATION)):
            known = part <= last_part
            counts.add(block.user[known], block.track[known], block.timestamp[known])

    @property
    def events(self) -> NDArray[np.int64]:
        """Listens of each part, (4,)."""
        return np.asarray(self.of_users.sum(axis=1))

    @property
    def held_out_tracks(self) -> NDArray[np.int64]:
        """The tracks that held-out users play before test."""
        return np.flatnonzero(self._has_track[HELD_OUT])

    def number_tracks(self) -> tuple[NDArray[np.int32], Parts]:
        """See :func:`_number`."""
        return _number(self._has_track, self.tuning.tracks.plays)

    def number_artists(self) -> tuple[NDArray[np.int32], Parts]:
        """See :func:`_number`."""
        return _number(self._has_artist, self.tuning.artists.plays)

    def number_users(self) -> tuple[NDArray[np.int32], Parts]:
        """See :func:`_number`; inside train, too, the order is that of the log."""
        return _number(self.of_users > 0, np.zeros(self.of_users.shape[1], np.int64))


def _number(occurs: NDArray[np.bool_], plays: NDArray[np.int64]) -> tuple[NDArray[np.int32], Parts]:
    """Dense ids in the order of first part; returns (id of each row number, first part of each row number).

    occurs: (4, n) whether each occurs in each part. plays: (n,) in train.
    Inside train the most played come first (hot embedding rows lie together); inside the later parts
    the order is that of the names, so that no count of the later parts can be read from an id. What only held-out users play before test comes last.
    """
    first_part = np.argmax(occurs, axis=0).astype(np.int8)
    order = np.lexsort((-plays, first_part))  # stable: ties stay in the order of the names
    ids = np.empty(len(order), np.int32)
    ids[order] = np.arange(len(order), dtype=np.int32)
    return ids, first_part
