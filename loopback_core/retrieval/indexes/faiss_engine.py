"""The FAISS engine: exact search, an inverted file (ivf), a graph (hnsw)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids, Ragged, Ranking
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.runtime.progress import progress
from loopback_core.settings import IndexSettings

SCANNED_PER_WIDTH = 256
"""Tracks that a scan reads in the time in which a search of the HNSW graph widens by one (128 dimensions, one core).

For users with a long history an exact scan is used where it is faster.
"""


TRAINED_ON = 200_000
"""Tracks that the centroids of an IVF index are learned from."""

ADDED_AT_ONCE = 50_000
"""Tracks."""


class Index:
    """A FAISS index of inner products; position i is track i.

    Excluded tracks are skipped inside the search (IDSelector), so that a list stays k long however many there are.
    """

    def __init__(self, index: Any, kind: str, settings: IndexSettings) -> None:
        self.index, self.kind, self.settings = index, kind, settings

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32 of unit norm. Exact up to `flat_limit` tracks, else as `kind` says."""
        n, dim = vectors.shape
        kind = settings.kind
        if kind == "auto":
            kind = "flat" if n <= settings.flat_limit else "ivf"
        index = faiss.index_factory(dim, _description(kind, n, settings), faiss.METRIC_INNER_PRODUCT)
        if kind == "hnsw":
            index.hnsw.efConstruction = settings.hnsw.ef_construction
        if not index.is_trained:
            index.train(_sample(vectors))
        with _threads(1 if kind == "hnsw" else None), progress(f"{kind} index", n, "tracks") as shown:
            for start in range(0, n, ADDED_AT_ONCE):
                index.add(vectors[start : start + ADDED_AT_ONCE])
                shown.advance(min(ADDED_AT_ONCE, n - start))
        return cls(index, kind, settings)

    def __del__(self) -> None:
        """Give back the lists of ivf in a call, during which other threads run.

        The destructor of FAISS holds the interpreter while it unmaps them: 10 to 40 ms for 750 MB, in which a service
        answers nobody.
        """
        if self.kind == "ivf" and not sys.is_finalizing():
            nothing = faiss.ArrayInvertedLists(self.index.nlist, self.index.code_size)
            nothing.this.disown()
            self.index.replace_invlists(nothing, True)

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def search(self, queries: Floats, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        if exclude is None:
            return self._search(queries, k, np.zeros(0, np.int64))
        ranking = no_ranking(len(queries), k)
        for row in range(len(queries)):  # a selector belongs to a call, so to one user
            nearest = self._search(queries[row : row + 1], k, exclude[row])
            ranking.tracks[row], ranking.scores[row] = nearest.tracks[0], nearest.scores[0]
        return ranking

    def _search(self, queries: Floats, k: int, seen: Ids) -> Ranking:
        """A search wide enough for k tracks besides the excluded ones.

        The tracks that a user played lie nearest to the user: they would fill a search of fixed width.
        """
        selector = faiss.IDSelectorBitmap(_all_but(seen, len(self))) if len(seen) else None
        searched, parameters = self.index, faiss.SearchParameters(sel=selector)
        width = max(self.settings.hnsw.ef_search, k) + len(seen)
        if self.kind == "ivf":
            lists = (k + len(seen)) * searched.nlist // len(self)
            parameters = faiss.SearchParametersIVF(nprobe=self.settings.ivf.probes + lists, sel=selector)
        elif self.kind == "hnsw" and len(seen) and width * SCANNED_PER_WIDTH > len(self):
            searched = self.index.storage
        elif self.kind == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=width, sel=selector)
        scores, tracks = searched.search(queries, k, params=parameters)
        # FAISS fills a short list with -1 and the lowest float; ours ends in NOTHING and -inf.
        return Ranking(tracks, np.where(tracks == NOTHING, -np.inf, scores).astype(np.float32))

    def save(self, path: Path) -> None:
        """Write the FAISS file."""
        faiss.write_index(self.index, str(path))

    @classmethod
    def load(cls, path: Path, settings: IndexSettings) -> Self:
        """Read a FAISS file. The lists of ivf are mapped into memory: processes share them, and loading does not read them.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
        kind = "hnsw" if isinstance(index, faiss.IndexHNSW) else "ivf" if isinstance(index, faiss.IndexIVF) else "flat"
        if kind == "ivf":
            faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0  # 32 threads for every search
        return cls(index, kind, settings)


def _all_but(seen: Ids, n: int) -> NDArray[np.uint8]:
    """A bit for each of n tracks, which is 0 for those in `seen`."""
    bits = np.full(-(-n // 8), 255, np.uint8)
    np.bitwise_and.at(bits, seen >> 3, ~(1 << (seen & 7)).astype(np.uint8))
    return bits


def _description(kind: str, n: int, settings: IndexSettings) -> str:
    """Of an index over n tracks, in the words of FAISS."""
    held = {"fp32": "Flat", "fp16": "SQfp16", "int8": "SQ8"}[settings.storage]
    if kind == "hnsw":
        return f"HNSW{settings.hnsw.neighbors},{held}"
    lists = int(max(1, min(4 * np.sqrt(n), n / 39)))  # 39: the fewest points per list for which k-means does not warn
    return f"IVF{lists},{held}" if kind == "ivf" else held


def _sample(vectors: Floats) -> Floats:
    """The vectors that centroids and value ranges are learned from: every n-th of the catalog, which is ordered by popularity."""
    return np.ascontiguousarray(vectors[:: max(1, len(vectors) // TRAINED_ON)])


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Limit the threads of FAISS; None: no limit. With several threads every run builds another graph."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
