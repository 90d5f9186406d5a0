"""A bundle as it is served: what was trained, and the users whom it knows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from loopback_core.bundle.bundle_files import (
    KNOWN,
    WORKS,
    KnownJson,
    MbidKeys,
    map_arrays,
    read_catalog,
    read_demographics,
    read_json,
    read_keys,
    read_known_histories,
    read_names,
)
from loopback_core.bundle.catalog_search import CatalogSearch
from loopback_core.bundle.known_lists import KnownLists, load_lists
from loopback_core.data import Floats, Histories, Ids, ListensByUser
from loopback_core.data.histories import repeats
from loopback_core.data.names import TrackNames
from loopback_core.errors import ArtifactError
from loopback_core.recommenders.bundle import Bundle
from loopback_core.recommenders.name_keys import Keys, NameKeys
from loopback_core.recommenders.ranked_towers import Towers
from loopback_core.retrieval.indexes import load_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors


@dataclass(frozen=True)
class ServedBundle:
    """All that a request needs. Nothing in it changes after loading; arrays are mapped, and shared by processes."""

    folder: Path
    known: KnownJson
    bundle: Bundle
    names: pa.Table  # NAME_COLUMNS, row i for track i
    keys: NameKeys
    mbids: MbidKeys
    users: Keys
    histories: ListensByUser
    search: CatalogSearch
    demographics: NDArray[np.int16] | None  # (users, 3)
    lists: Mapping[str, KnownLists]  # by task

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :func:`loopback_core.bundle.build_bundle.build_bundle` wrote; nothing is unpickled.

        Raises:
            ArtifactError: a file is missing, damaged or of another size than the others.
        """
        known: KnownJson = read_json(folder / KNOWN)
        names, catalog, vectors = read_names(folder), read_catalog(folder), load_vectors(folder)
        keys, mbids, users = read_keys(folder)
        index = load_index(folder)
        works = map_arrays(folder, [WORKS])[WORKS]
        sizes = {len(names), catalog.n_tracks, len(vectors), len(index), len(works)}
        if len(sizes) > 1:
            raise ArtifactError(f"The parts of {folder} are of different sizes ({sizes}); build the bundle again.")
        if len(vectors) and not _takes(index, vectors.shape[1]):
            raise ArtifactError(
                f"The index in {folder} holds vectors of another length than the towers make, as older versions built it; "
                "build the bundle again."
            )
        bundle = Bundle(
            catalog,
            TrackNames(lambda: _frame(names)),
            known["now"],
            known["own_moments"],
            known["has_profiles"],
            Towers.load(folder, folder),
            vectors,
            load_catalog_values(folder),
            index,
            rerank=known["rerank"],
        )
        vars(bundle)["keys"] = keys  # of the same names: as they were written, not made again
        vars(bundle)["works"] = works
        search = CatalogSearch.open(folder)
        histories, demographics = read_known_histories(folder), read_demographics(folder)
        lists = load_lists(folder)
        return cls(folder, known, bundle, names, keys, mbids, users, histories, search, demographics, lists)

    @cached_property
    def by_popularity(self) -> Ids:
        """The tracks of the catalog, those with the most listeners first."""
        return np.argsort(-self.bundle.catalog.listeners, kind="stable")

    @cached_property
    def artist_vectors(self) -> Floats:
        """(n_artists, D): the mean direction of the tracks of each artist, of unit norm."""
        from scipy.sparse import csr_array

        tracks = self.bundle.catalog.tracks_of_artist
        ones = np.ones(len(tracks.values), np.float32)
        of_artist = csr_array((ones, tracks.values, tracks.offsets), (len(tracks), len(tracks.values)))
        sums: Floats = of_artist @ np.asarray(self.bundle.vectors)
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        return sums

    def artist_name(self, artist: int) -> str:
        """The name of an artist of the catalog."""
        name: str = self.names["artist_name"][self.track_of_artist(artist)].as_py()
        return name

    def track_of_artist(self, artist: int) -> int:
        """A track of an artist of the catalog."""
        return int(self._first_track[artist])

    @cached_property
    def _first_track(self) -> Ids:
        """(n_artists,) a track of each artist."""
        tracks = np.zeros(self.bundle.catalog.n_artists, np.int64)
        tracks[self.bundle.catalog.artist[::-1]] = np.arange(self.bundle.catalog.n_tracks)[::-1]
        return tracks

    def history(self, user: int) -> tuple[Ids, Ids]:
        """Tracks and times of what a known user played up to the end of the log, oldest first, (listens,) each."""
        tracks, times = self.histories.of(np.array([user]))
        return tracks.values, times

    def known_histories(self, users: Ids) -> Histories:
        """The histories of known users, a row each, as a request reads them that gives no moment and no listens."""
        rows, moments = [], []
        for user in users.tolist():
            tracks, times = self.history(user)
            again = repeats(tracks, times)
            rows.append((np.delete(tracks, again), np.delete(times, again)))
            moments.append(self.moment(times))
        histories = self.bundle.histories([ids for ids, _ in rows], [times for _, times in rows], moments)
        return histories if self.demographics is None else replace(histories, demographics=self.demographics[users])

    def moment(self, times: Ids) -> int:
        """Seconds since 1970-01-01 UTC at which somebody with listens at these times asks who gives no moment."""
        own = self.bundle.own_moments and len(times) > 0
        return int(times.max(initial=0 if own else self.bundle.now))


def _frame(names: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(names)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _takes(index: VectorIndex, dim: int) -> bool:
    """Whether an index answers queries of so many dimensions."""
    try:
        index.search(np.zeros((1, dim), np.float32), 1, None)
    except (AssertionError, ValueError, RuntimeError):  # each engine refuses in its own way
        return False
    return True
