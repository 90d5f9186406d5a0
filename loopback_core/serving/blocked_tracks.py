"""The block list in the ids of a bundle."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ids
from loopback_core.errors import ArtifactError
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.block_list import BlockList, blocked

log = logging.getLogger("loopback")

KEPT_BUNDLES = 4
"""Bundles in whose ids the list is kept: the one in service, the challenger, and those that they replace."""


@dataclass(frozen=True)
class BlockedTracks:
    """What a bundle must not recommend. Names that it does not know are left out."""

    tracks: Ids  # distinct, ascending; with all tracks of the artists
    artists: Ids  # distinct, ascending

    @classmethod
    def of(cls, served: ServedBundle, blocks: BlockList) -> "BlockedTracks":
        """Names match as in ingest."""
        if not blocks:
            return NOTHING_BLOCKED
        whole = [one.artist for one in blocks if one.track is None]
        single = [(one.artist, one.track) for one in blocks if one.track is not None]
        artists = _known(served.keys.find_artists(whole))
        tracks = _known(served.keys.find_tracks([artist for artist, _ in single], [track for _, track in single]))
        of_artists = served.bundle.catalog.tracks_of_artist.take(artists).values
        return cls(np.unique(np.concatenate([tracks, of_artists])), artists)

    def allows(self, tracks: Ids) -> NDArray[np.bool_]:
        """Which of some tracks may be recommended, of the same shape."""
        return np.ones(tracks.shape, np.bool_) if not len(self.tracks) else ~np.isin(tracks, self.tracks)


def _known(ids: Ids) -> Ids:
    return np.unique(ids[ids >= 0])


NOTHING_BLOCKED = BlockedTracks(np.zeros(0, np.int64), np.zeros(0, np.int64))


class FollowedBlockList:
    """The block list of a home, as it is now. Used by many threads."""

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store
        self.failure: str | None = None  # why the file cannot be read; the list before it holds
        self._blocks: BlockList | None = None  # None: it was not read yet
        self._of: dict[
            str, tuple[BlockList, BlockedTracks]
        ] = {}  # version of a bundle -> a list, and the same in its ids

    def follow(self) -> None:
        """Read it again where it changed. A damaged file is logged once."""
        try:
            blocks = blocked(self.store)
        except ArtifactError as error:
            if str(error) != self.failure:
                log.error("%s The block list before it holds.", error)
            self.failure = str(error)
            return
        self.failure = None
        if blocks != self._blocks:
            self._blocks = blocks

    def of(self, loaded: LoadedBundle) -> BlockedTracks:
        """In the ids of a bundle.

        Raises:
            ArtifactError: the file is damaged, and was since the service started: what is blocked is not known.
        """
        if self._blocks is None:
            self._blocks = blocked(self.store)
        blocks, kept = self._blocks, self._of
        of_bundle = kept.get(loaded.version)
        if of_bundle is None or of_bundle[0] is not blocks:  # another thread may have read a newer list meanwhile
            of_bundle = blocks, BlockedTracks.of(loaded.served, blocks)
            self._of = {**(kept if len(kept) < KEPT_BUNDLES else {}), loaded.version: of_bundle}
        return of_bundle[1]
