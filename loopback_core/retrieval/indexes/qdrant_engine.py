"""The Qdrant engine in this process (Qdrant Edge): a graph whose search knows of filters."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import qdrant_edge as edge

from loopback_core.data import Floats, Ids
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS
from loopback_core.retrieval.indexes.filtered_search import FilteredSearch, Nearest
from loopback_core.retrieval.indexes.packed_folder import pack_folder, unpack_folder
from loopback_core.runtime.progress import progress
from loopback_core.settings import IndexSettings

SCANNED_KB = 10_000
"""Of vectors: what is left of them below this size is scanned instead of searched by the graph. The default of Qdrant."""

GRAPH_FROM_KB = 100
"""Of vectors, from which a graph is built."""

_ADDED_AT_ONCE = 10_000
"""Tracks; each becomes an object of Python."""

_NUMBERS = {"fp32": edge.VectorStorageDatatype.Float32, "fp16": edge.VectorStorageDatatype.Float16}


class Index(FilteredSearch):
    """A shard of Qdrant with inner products; point i is track i. It lies in a private folder, and is packed to be saved."""

    def __init__(
        self,
        shard: Any,
        folder: TemporaryDirectory[str],
        settings: IndexSettings,
        positions: int,
        deleted: Ids = NO_IDS,
    ) -> None:
        super().__init__(settings, positions, deleted)
        self.shard, self._folder = shard, folder

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32."""
        graph = edge.HnswIndexConfig(
            m=settings.hnsw.neighbors,
            ef_construct=settings.hnsw.ef_construction,
            full_scan_threshold=SCANNED_KB,
            max_indexing_threads=1,  # with several every run builds another graph
        )
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=vectors.shape[1], distance=edge.Distance.Dot, datatype=_NUMBERS[settings.storage]
            ),
            hnsw_config=graph,
            optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=GRAPH_FROM_KB),
            max_search_threads=1,
            wal_enabled=False,
        )
        folder = TemporaryDirectory(prefix="loopback-index-")
        built = cls(edge.EdgeShard.create(folder.name, config), folder, settings, 0)
        built.add(vectors)
        return built

    def __del__(self) -> None:
        """Close the shard before its folder goes."""
        self.shard.close()

    @classmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        folder = unpack_folder(path)
        try:
            shard = edge.EdgeShard.load(folder.name)
            count = shard.count(edge.CountRequest())
        except Exception as error:  # the library raises bare ones
            raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
        return cls(shard, folder, settings, count + len(deleted), deleted)

    def _save(self, path: Path) -> None:
        self.shard.flush()
        pack_folder(Path(self._folder.name), path)

    def _add(self, ids: Ids, vectors: Floats) -> None:
        with progress("qdrant index", len(ids), "tracks") as shown:
            for start in range(0, len(ids), _ADDED_AT_ONCE):
                part = slice(start, start + _ADDED_AT_ONCE)
                points = map(edge.Point, ids[part].tolist(), vectors[part].tolist())
                self.shard.update(edge.UpdateOperation.upsert_points(list(points)))
                shown.advance(len(ids[part]))
        self.shard.optimize()  # builds the graph

    def _delete(self, ids: Ids) -> None:
        self.shard.update(edge.UpdateOperation.delete_points(ids.tolist()))

    def _find(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        width = max(count, self.settings.hnsw.ef_search)
        acorn = edge.AcornSearchParams(enable=True)  # else the graph falls apart where a filter leaves few of its nodes
        return self._query(query, count, seen, among, edge.SearchParams(hnsw_ef=width, acorn=acorn))

    def _scan(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        return self._query(query, count, seen, among, edge.SearchParams(exact=True))

    def _query(self, query: Floats, count: int, seen: Ids, among: Ids | None, parameters: Any) -> Nearest:
        left = None
        if among is not None:
            left = edge.Filter(must=[edge.HasIdCondition(set(among.tolist()))])
        elif len(seen):
            left = edge.Filter(must_not=[edge.HasIdCondition(set(seen.tolist()))])
        nearest = edge.Query.Nearest(query.tolist())
        found = self.shard.query(edge.QueryRequest(limit=count, query=nearest, filter=left, params=parameters))
        return np.array([point.id for point in found], np.int64), np.array([point.score for point in found], np.float32)
