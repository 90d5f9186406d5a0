"""From histories and tracks to what the towers read."""

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from loopback_core.data import Histories, Ids
from loopback_core.features.track_content import TrackContent
from loopback_core.settings import TowersSettings
from loopback_core.towers.decayed_counts import (
    Block,
    DecayedCounts,
    Moments,
    Scale,
    artist_of_listens,
    blocks_at_the_end,
)
from loopback_core.towers.optional.content import read_content
from loopback_core.towers.optional.request_parts import read_request
from loopback_core.towers.pool import Pool
from loopback_core.towers.sequences import SequenceReader
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.user import UserInputs

POOLED_EVERY = 8
"""Where the last listens are read in order, pools are read this many listens apart, and requests in between share them:
each pool costs what the distinct items of a history cost."""


class HistoryReader:
    """Reads any moment of some histories for the user tower."""

    def __init__(
        self, histories: Histories, artist: NDArray[np.int32], n_tracks: int, n_artists: int, settings: TowersSettings
    ) -> None:
        """artist: (tracks,) the artist of every catalog track. n_tracks, n_artists: those that the weights know.

        A listen to a track beyond the catalog is ignored; of a track that the weights do not know the artist is read.
        """
        self.histories, self.settings = histories, settings
        self._last: SequenceReader | None = None
        self._items: dict[str, NDArray[np.int32]] = {}
        if settings.user_encoder == "id":
            return
        self._last = (
            SequenceReader(histories, artist, settings.hstu.window) if settings.user_encoder == "hstu" else None
        )
        track = histories.tracks.values
        of_track = artist_of_listens(histories, artist)
        self._items = {
            "artist": np.where(of_track < n_artists, of_track, -1).astype(np.int32),
            "track": np.where(track < n_tracks, track, -1).astype(np.int32),
        }

    def read(self, moments: Moments, intent: Ids) -> UserInputs:
        """What the tower reads of each moment. intent: (A,) ANYTHING or ONLY_NEW."""
        pooled, which = self._pooled(moments)
        return self._read(
            moments, intent, which, lambda kind: self._counts[kind].blocks(pooled, self.settings.pooled.listens)
        )

    def read_at_the_end(self, intent: Ids) -> UserInputs:
        """What the tower reads of each history with everything heard: faster than :meth:`read`. intent: (rows,)."""
        listens, moments = self.settings.pooled.listens, Moments.at_the_end(self.histories)
        histories, items = self.histories, self._items
        if self._last is not None:
            pooled, _ = self._pooled(moments)  # one of each history, in their order
            histories, heard = self.histories.until(pooled.place, pooled.now)
            items = {kind: of_kind[heard] for kind, of_kind in items.items()}
        return self._read(
            moments,
            intent,
            None,
            lambda kind: blocks_at_the_end(histories, items[kind], _scales(self.settings, kind), listens),
        )

    def _pooled(self, moments: Moments) -> tuple[Moments, Ids | None]:
        """The moments at which pools are read, and which of them each request reads; None: its own."""
        if self._last is None:
            return moments, None
        offsets, timestamps = self.histories.tracks.offsets, self.histories.timestamps
        place = moments.place - (moments.place - offsets[moments.row]) % POOLED_EVERY
        key = moments.row * (len(timestamps) + 1) + place
        _, first, which = np.unique(key, return_index=True, return_inverse=True)
        place, row = place[first], moments.row[first]
        is_followed = place < moments.place[first]
        now = moments.now[first]
        now[is_followed] = timestamps[place[is_followed]]
        return Moments(row, place, now), which

    def _read(
        self, moments: Moments, intent: Ids, pooled: Ids | None, blocks: Callable[[str], Iterable[Block]]
    ) -> UserInputs:
        """blocks: of what was heard of a kind, an artist or a track."""
        user = torch.from_numpy(self.histories.users[moments.row].astype(np.int64))
        if self.settings.user_encoder == "id":
            return UserInputs(user)
        reads_pools = self.settings.pooled.listens > 0
        return UserInputs(
            user,
            torch.from_numpy(np.asarray(intent, np.int64)),
            _pool(blocks("artist")) if reads_pools else None,
            _pool(blocks("track")) if reads_pools else None,
            None if pooled is None else torch.from_numpy(pooled),
            None if self._last is None else self._last.read(moments),
            read_request(self.histories, moments, self.settings),
        )

    @cached_property
    def _counts(self) -> dict[str, DecayedCounts]:
        return {
            kind: DecayedCounts(self.histories, items, _scales(self.settings, kind))
            for kind, items in self._items.items()
        }


class TrackReader:
    """Reads any tracks for the track tower."""

    def __init__(self, content: TrackContent, settings: TowersSettings) -> None:
        self.content, self.settings = content, settings

    def read(self, tracks: Ids) -> TrackInputs:
        """What the tower reads of each track. tracks: (B,) below the length of the content."""
        artist = self.content.artist[tracks].astype(np.int64)
        content = read_content(self.content, self.settings, tracks, artist)
        return TrackInputs(torch.from_numpy(np.asarray(tracks, np.int64)), torch.from_numpy(artist), content)


def _scales(settings: TowersSettings, kind: str) -> list[Scale]:
    half_lives, powers = getattr(settings.pooled, f"{kind}_half_lives"), getattr(settings.pooled, f"{kind}_powers")
    return [Scale(days, power) for days, power in zip(half_lives, powers, strict=True)]


def _pool(blocks: Iterable[Block]) -> Pool:
    """The blocks with weights whose squares add up to 1 on every scale: the total number of listens has no effect."""
    ids, weights = [], []
    for block in blocks:  # each while it is in the cache
        squares = np.einsum("rsn,rsn->rs", block.weights, block.weights)
        block.weights[...] /= np.sqrt(np.maximum(squares, 1e-12))[..., None]
        ids.append(torch.from_numpy(block.items))
        weights.append(torch.from_numpy(block.weights))
    return Pool(tuple(ids), tuple(weights))
