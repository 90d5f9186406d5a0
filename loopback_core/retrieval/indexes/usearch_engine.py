"""The USearch engine: a graph in one file that is mapped into memory."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from usearch.index import Index as Graph

from loopback_core.data import Floats, Ids
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS
from loopback_core.retrieval.indexes.filtered_search import Nearest
from loopback_core.retrieval.indexes.wide_search import WideSearch
from loopback_core.runtime.progress import progress
from loopback_core.settings import IndexSettings
from loopback_core.store.atomic import replacing

_ADDED_AT_ONCE = 50_000
"""Tracks."""

_NUMBERS = {"fp32": "f32", "fp16": "f16"}


class Index(WideSearch):
    """A USearch graph of inner products; position i is track i."""

    def __init__(self, graph: Any, settings: IndexSettings, positions: int, deleted: Ids = NO_IDS) -> None:
        super().__init__(settings, positions, deleted)
        self.graph, self._mapped = graph, ""

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32."""
        graph = Graph(
            ndim=vectors.shape[1],
            metric="ip",
            dtype=_NUMBERS[settings.storage],
            connectivity=settings.hnsw.neighbors,
            expansion_add=settings.hnsw.ef_construction,
            expansion_search=settings.hnsw.ef_search,
        )
        built = cls(graph, settings, 0)
        built.add(vectors)
        return built

    @classmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        graph = _restored(path, view=True)
        graph.expansion_search = settings.hnsw.ef_search
        loaded = cls(graph, settings, len(graph) + len(deleted), deleted)
        loaded._mapped = str(path)
        return loaded

    def _save(self, path: Path) -> None:
        with replacing(path) as new:
            self.graph.save(str(new))

    def _add(self, ids: Ids, vectors: Floats) -> None:
        self._hold_in_memory()
        with progress("usearch index", len(ids), "tracks") as shown:
            for start in range(0, len(ids), _ADDED_AT_ONCE):
                part = slice(start, start + _ADDED_AT_ONCE)
                self.graph.add(ids[part], vectors[part], threads=1)  # with several every run builds another graph
                shown.advance(len(ids[part]))

    def _delete(self, ids: Ids) -> None:
        self._hold_in_memory()
        self.graph.remove(ids)

    def _nearest(self, query: Floats, width: int) -> Nearest:
        found = self.graph.search(query, width, threads=1)
        return np.asarray(found.keys, np.int64), (1 - np.asarray(found.distances)).astype(np.float32)

    def _vectors(self, ids: Ids) -> Floats:
        vectors: Floats = np.asarray(self.graph.get(ids), np.float32)
        return vectors

    def _hold_in_memory(self) -> None:
        """A mapped file is not written to."""
        if self._mapped:
            search_width = self.graph.expansion_search
            self.graph = _restored(Path(self._mapped), view=False)
            self.graph.expansion_search, self._mapped = search_width, ""


def _restored(path: Path, view: bool) -> Any:
    try:
        graph = Graph.restore(str(path), view=view)
    except (OSError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
    if graph is None:
        raise ArtifactError(f"The index {path} cannot be read; build it again. (USearch did not write it)")
    return graph
