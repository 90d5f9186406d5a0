"""The LanceDB engine: codes in an inverted file (IVF-PQ), on disk."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import BTree, IvfPq

from loopback_core.data import Floats, Ids
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS
from loopback_core.retrieval.indexes.filtered_search import FilteredSearch, Nearest
from loopback_core.retrieval.indexes.inverted_lists import list_count
from loopback_core.retrieval.indexes.packed_folder import pack_folder, unpack_folder
from loopback_core.settings import IndexSettings

_CODED_FROM = 1_000
"""Tracks. Fewer ones are scanned, since codes and lists are learned from many."""

SCANNED_UP_TO = 2_000
"""Tracks that a filter leaves and that are scanned."""

_TABLE = "tracks"


class Index(FilteredSearch):
    """A LanceDB table (id, vector) with inner products. It lies in a private folder, and is packed to be saved."""

    def __init__(self, folder: TemporaryDirectory[str], settings: IndexSettings, deleted: Ids = NO_IDS) -> None:
        self._folder = folder
        self.table = lancedb.connect(folder.name).open_table(_TABLE)
        super().__init__(settings, self.table.count_rows() + len(deleted), deleted)
        self._width = self.table.schema.field("vector").type.list_size

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32."""
        folder = TemporaryDirectory(prefix="loopback-index-")
        width = _padded_width(vectors.shape[1], settings)
        table = lancedb.connect(folder.name).create_table(_TABLE, _rows(np.arange(len(vectors)), vectors, width))
        table.create_index("id", config=BTree())
        if len(vectors) >= _CODED_FROM:
            parts = width // settings.pq.dimensions_per_byte
            table.create_index(
                "vector",
                config=IvfPq(distance_type="dot", num_partitions=list_count(len(vectors)), num_sub_vectors=parts),
            )
        return cls(folder, settings)

    @classmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        folder = unpack_folder(path)
        try:
            return cls(folder, settings, deleted)
        except (OSError, RuntimeError, ValueError) as error:
            raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None

    def _save(self, path: Path) -> None:
        with TemporaryDirectory(prefix="loopback-index-", dir=path.parent) as folder:
            shutil.copytree(self._folder.name, folder, dirs_exist_ok=True)
            pack_folder(Path(folder), path)

    def _add(self, ids: Ids, vectors: Floats) -> None:
        self.table.add(_rows(ids, vectors, self._width))

    def _delete(self, ids: Ids) -> None:
        self.table.delete(f"id IN ({_listed(ids)})")

    def _find(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        left = len(self) - len(seen) if among is None else len(among)
        if left <= SCANNED_UP_TO:
            return self._scan(query, count, seen, among)
        total, lists = self.positions, list_count(self.positions)
        probes = self.settings.ivf.probes + (count + len(seen)) * lists // total
        probes = min(lists, probes if among is None else probes * total // left)
        search = self._search(query, count, seen, among).nprobes(probes).refine_factor(self.settings.pq.refined)
        return _answer(search)

    def _scan(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        return _answer(self._search(query, count, seen, among).bypass_vector_index())

    def _search(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Any:
        padded = np.pad(query, (0, self._width - len(query)))
        search: Any = self.table.search(padded, vector_column_name="vector").distance_type("dot").limit(count)
        search = search.select(["id", "_distance"])
        if among is not None:
            return search.where(f"id IN ({_listed(among)})", prefilter=True)
        return search.where(f"id NOT IN ({_listed(seen)})", prefilter=True) if len(seen) else search


def _answer(search: Any) -> Nearest:
    found = search.to_arrow()
    return found["id"].to_numpy(), (1 - found["_distance"].to_numpy()).astype(np.float32)


def _rows(ids: Ids, vectors: Floats, width: int) -> pa.Table:
    padded = np.pad(np.asarray(vectors, np.float32), ((0, 0), (0, width - vectors.shape[1])))
    column = pa.FixedSizeListArray.from_arrays(pa.array(padded.ravel(), pa.float32()), width)
    return pa.table({"id": pa.array(ids, pa.int64()), "vector": column})


def _padded_width(dim: int, settings: IndexSettings) -> int:
    """The next multiple of the dimensions of a part of a code; zeros change no product."""
    part = settings.pq.dimensions_per_byte
    return -(-dim // part) * part


def _listed(ids: Ids) -> str:
    return ",".join(map(str, ids.tolist()))
