"""The Voyager engine: a graph that is read into memory."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import voyager

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


class Index(WideSearch):
    """A Voyager graph of inner products; position i is track i."""

    def __init__(self, graph: Any, settings: IndexSettings, positions: int, deleted: Ids = NO_IDS) -> None:
        super().__init__(settings, positions, deleted)
        self.graph = graph

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32."""
        graph = voyager.Index(
            voyager.Space.InnerProduct,
            num_dimensions=vectors.shape[1],
            M=settings.hnsw.neighbors,
            ef_construction=settings.hnsw.ef_construction,
            max_elements=max(1, len(vectors)),
        )
        built = cls(graph, settings, 0)
        built.add(vectors)
        return built

    @classmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        try:
            graph = voyager.Index.load(str(path))
        except (OSError, RuntimeError, ValueError) as error:
            raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
        return cls(graph, settings, graph.num_elements, deleted)

    def _save(self, path: Path) -> None:
        with replacing(path) as new:
            self.graph.save(str(new))

    def _add(self, ids: Ids, vectors: Floats) -> None:
        with progress("voyager index", len(ids), "tracks") as shown:
            for start in range(0, len(ids), _ADDED_AT_ONCE):
                part = slice(start, start + _ADDED_AT_ONCE)
                self.graph.add_items(
                    vectors[part], ids[part], num_threads=1
                )  # with several every run builds another graph
                shown.advance(len(ids[part]))

    def _delete(self, ids: Ids) -> None:
        for track in ids.tolist():
            self.graph.mark_deleted(track)

    def _nearest(self, query: Floats, width: int) -> Nearest:
        try:
            ids, distances = self.graph.query(query, width, query_ef=max(width, self.settings.hnsw.ef_search))
        except voyager.RecallError:  # the graph reaches fewer tracks: they are scanned
            return NO_IDS, np.zeros(0, np.float32)
        return ids.astype(np.int64), (1 - distances).astype(np.float32)

    def _vectors(self, ids: Ids) -> Floats:
        vectors: Floats = self.graph.get_vectors(ids)
        return vectors
