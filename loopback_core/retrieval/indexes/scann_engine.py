"""The ScaNN engine: codes in a tree of lists, and a second look at the best of them with their vectors."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from scann.scann_ops.py import scann_ops_pybind

from loopback_core.data import Floats, Ids
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS
from loopback_core.retrieval.indexes.filtered_search import Nearest
from loopback_core.retrieval.indexes.inverted_lists import list_count
from loopback_core.retrieval.indexes.packed_folder import pack_folder, unpack_folder
from loopback_core.retrieval.indexes.wide_search import WideSearch
from loopback_core.settings import IndexSettings

_CODED_FROM = 1_000
"""Tracks. ScaNN scans fewer ones as they are, since codes and lists are learned from many."""

_TRAINED_ON = 200_000
"""Tracks that the lists are learned from."""

ANISOTROPY = 0.2
"""Below which share of the largest product an error of a code counts less (Guo et al. 2020); the value that ScaNN recommends."""

_VECTORS = {"fp32": "dataset.npy", "int8": "vectors.npy"}
"""Where a packed index holds its vectors: ScaNN writes those of fp32 itself."""


class Index(WideSearch):
    """A ScaNN searcher of inner products; position i is track i.

    ScaNN does not give vectors back, and finds added tracks only by names that it keeps in a pickle. So the vectors stay
    next to the searcher, and adding builds it again.
    """

    def __init__(self, searcher: Any, vectors: Floats, settings: IndexSettings, deleted: Ids = NO_IDS) -> None:
        super().__init__(settings, len(vectors), deleted)
        self.searcher, self.vectors = searcher, vectors
        self._folder: TemporaryDirectory[str] | None = None  # what a loaded searcher maps

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32."""
        return cls(_searcher(vectors, settings), np.ascontiguousarray(vectors, np.float32), settings)

    @classmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        folder = unpack_folder(path)
        try:
            vectors = np.load(Path(folder.name) / _VECTORS[settings.storage], mmap_mode="r", allow_pickle=False)
            searcher = scann_ops_pybind.load_searcher(folder.name)
        except (OSError, RuntimeError, ValueError) as error:
            raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
        loaded = cls(searcher, vectors, settings, deleted)
        loaded._folder = folder
        return loaded

    def _save(self, path: Path) -> None:
        with TemporaryDirectory(prefix="loopback-index-", dir=path.parent) as folder:
            self.searcher.serialize(folder, relative_path=True)
            if self.settings.storage == "int8":
                np.save(Path(folder) / _VECTORS["int8"], self.vectors)
            pack_folder(Path(folder), path)

    def _add(self, ids: Ids, vectors: Floats) -> None:
        self.vectors = np.concatenate([self.vectors, vectors])
        self.searcher, self._folder = _searcher(self.vectors, self.settings), None

    def _delete(self, ids: Ids) -> None:
        """ScaNN is not told: what it finds of them is left out."""

    def _nearest(self, query: Floats, width: int) -> Nearest:
        asked = min(self.positions, width + len(self.deleted))
        lists = self.settings.ivf.probes + asked * list_count(self.positions) // self.positions
        if self.positions < _CODED_FROM:
            ids, scores = self.searcher.search(query, final_num_neighbors=asked)
        else:
            ids, scores = self.searcher.search(
                query,
                final_num_neighbors=asked,
                pre_reorder_num_neighbors=min(self.positions, asked * self.settings.pq.refined),
                leaves_to_search=min(lists, list_count(self.positions)),
            )
        keep = ~np.isin(ids, self.deleted)
        return ids[keep].astype(np.int64), scores[keep]

    def _vectors(self, ids: Ids) -> Floats:
        vectors: Floats = self.vectors[ids]
        return vectors


def _searcher(vectors: Floats, settings: IndexSettings) -> Any:
    n = len(vectors)
    builder = scann_ops_pybind.builder(np.ascontiguousarray(vectors, np.float32), 10, "dot_product")
    if n < _CODED_FROM:
        return builder.score_brute_force().build()
    lists = list_count(n)
    builder = builder.tree(
        num_leaves=lists,
        num_leaves_to_search=min(lists, settings.ivf.probes),
        training_sample_size=min(n, _TRAINED_ON),
    ).score_ah(settings.pq.dimensions_per_byte, anisotropic_quantization_threshold=ANISOTROPY)
    return builder.reorder(10 * settings.pq.refined, quantize=settings.storage == "int8").build()
