"""The FAISS engine: exact search, an inverted file (ivf), a graph (hnsw), codes in an inverted file (pq).

ivf_hnsw and pq_hnsw are ivf and pq whose centroids are found by a graph: for catalogs of many lists.
"""

import sys
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids, Ragged, Ranking
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS, load_deleted, save_deleted
from loopback_core.retrieval.indexes.faiss_factory import (
    WITH_CODES,
    WITH_GRAPH,
    WITH_LISTS,
    built_kind,
    empty_index,
    faiss_threads,
    kind_of,
    padded,
)
from loopback_core.retrieval.indexes.graph_lists import FindNearby, filled, search_by_graph
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.retrieval.vectors import VectorRows
from loopback_core.runtime.progress import progress
from loopback_core.settings import IndexSettings
from loopback_core.store.atomic import replacing

SCANNED_PER_WIDTH = 256
"""Tracks that a scan reads in the time in which a search of the HNSW graph widens by one (128 dimensions, one core).

For users with a long history an exact scan is used where it is faster.
"""

ADDED_AT_ONCE = 50_000
"""Tracks."""

MAPPED_FROM = 1_000_000
"""Bytes of a file of pq_hnsw. FAISS would map a smaller one too, and crash where it ends within its first fields."""


class Index:
    """A FAISS index of inner products; position i is track i.

    Excluded and deleted tracks are skipped inside the search (IDSelector), so that a list stays k long however many
    there are.
    """

    def __init__(self, index: Any, kind: str, settings: IndexSettings, deleted: Ids = NO_IDS) -> None:
        self.index, self.kind, self.settings, self._deleted = index, kind, settings, deleted
        self._mapped: Path | None = None

    @classmethod
    def build(cls, vectors: VectorRows, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32, of which a block of rows is held in memory at a time."""
        built = cls.trained(vectors, settings)
        built.append(vectors)
        return built

    @classmethod
    def trained(cls, vectors: VectorRows, settings: IndexSettings) -> Self:
        """An index without tracks, trained for `vectors`, (n, D) float32."""
        kind = built_kind(len(vectors), settings)
        return cls(empty_index(vectors, kind, settings), kind, settings)

    def __del__(self) -> None:
        """Give back the lists of ivf in a call, during which other threads run.

        The destructor of FAISS holds the interpreter while it unmaps them: 10 to 40 ms for 750 MB, in which a service
        answers nobody.
        """
        if self.index is not None and self.kind in WITH_LISTS and not sys.is_finalizing():
            inverted = self.inverted_file()
            nothing = faiss.ArrayInvertedLists(inverted.nlist, inverted.code_size)
            nothing.this.disown()
            inverted.replace_invlists(nothing, True)

    def __len__(self) -> int:
        return int(self.index.ntotal) - len(self._deleted)

    def search(self, queries: Floats, k: int, exclude: Ragged | None, only: Ids | None = None) -> Ranking:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        if not (len(self) and k):
            return no_ranking(len(queries), k)
        queries = self.as_indexed(queries)
        if exclude is None:
            return self._search(queries, k, NO_IDS, only)
        ranking = no_ranking(len(queries), k)
        for row in range(len(queries)):  # a selector belongs to a call, so to one user
            nearest = self._search(queries[row : row + 1], k, exclude[row], only)
            ranking.tracks[row], ranking.scores[row] = nearest.tracks[0], nearest.scores[0]
        return ranking

    def _search(self, queries: Floats, k: int, seen: Ids, only: Ids | None) -> Ranking:
        """A search wide enough for k tracks besides those that are left out.

        The tracks that a user played lie nearest to the user: they would fill a search of fixed width.
        """
        total, selector, left_out = int(self.index.ntotal), None, len(seen)
        if only is not None:
            allowed = np.setdiff1d(self._known(only), np.concatenate([seen, self._deleted]))
            if not len(allowed):
                return no_ranking(len(queries), k)
            selector, left_out = faiss.IDSelectorBitmap(_bits_of(allowed, total)), total - len(allowed)
        elif left_out or len(self._deleted):
            seen = np.union1d(self._known(seen), self._deleted) if len(self._deleted) else self._known(seen)
            selector, left_out = faiss.IDSelectorBitmap(~_bits_of(seen, total)), len(seen)
        left = total - left_out
        if self.kind in WITH_GRAPH:
            lists = self._lists_to_visit(k, left_out, only is not None)
            scores, tracks = search_by_graph(self.index, queries, k, lists, selector, left, self.settings.pq.refined)
        else:
            some, everything = self._searches(k, left_out, only is not None, selector)
            scores, tracks = filled(some, everything, queries, min(k, left))
        # FAISS fills a short list with -1 and the lowest float; ours ends in NOTHING and -inf.
        return Ranking(tracks, np.where(tracks == NOTHING, -np.inf, scores).astype(np.float32))

    def _searches(self, k: int, left_out: int, filtered: bool, selector: Any) -> tuple[FindNearby, FindNearby]:
        """The usual search of flat, ivf, pq and hnsw, and the one that reads every track."""

        def searching(index: Any, parameters: Any) -> FindNearby:
            return lambda rows: index.search(rows, k, params=parameters)

        if self.kind in WITH_LISTS:
            usual, all_lists = self._lists_to_visit(k, left_out, filtered), int(self.inverted_file().nlist)
            some, everything = (searching(self.index, self._visiting(lists, selector)) for lists in (usual, all_lists))
            return some, everything
        scanned = self.index.storage if self.kind == "hnsw" else self.index
        scan = searching(scanned, faiss.SearchParameters(sel=selector))
        width = max(self.settings.hnsw.ef_search, k) + left_out
        if self.kind == "flat" or (left_out and width * SCANNED_PER_WIDTH > int(self.index.ntotal)):
            return scan, scan
        # Where many vectors are equal their links lead to each other alone, and a search of the graph ends among them.
        return searching(self.index, faiss.SearchParametersHNSW(efSearch=width, sel=selector)), scan

    def _visiting(self, lists: int, selector: Any) -> Any:
        """Of a search of kind ivf or pq that visits so many lists."""
        of_lists = faiss.SearchParametersIVF(nprobe=lists, sel=selector)
        if self.kind == "ivf":
            return of_lists
        return faiss.IndexRefineSearchParameters(k_factor=self.settings.pq.refined, base_index_params=of_lists)

    def _lists_to_visit(self, k: int, left_out: int, filtered: bool) -> int:
        """As many lists as hold k tracks more than are left out, and the usual ones.

        Tracks that a filter leaves are everywhere: it takes as many times more lists as it leaves fewer tracks.
        """
        total, lists, probes = int(self.index.ntotal), int(self.inverted_file().nlist), self.settings.ivf.probes
        if filtered:
            return min(lists, -(-(probes + k * lists // total) * total // (total - left_out)))
        return int(probes + (k + left_out) * lists // total)

    def add(self, vectors: Floats) -> None:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        self.hold_lists()
        self.append(vectors)

    def delete(self, ids: Ids) -> None:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`. Their vectors stay until it is built again."""
        self._deleted = np.union1d(self._deleted, self._known(ids))

    def save(self, path: Path) -> None:
        """Write the FAISS file."""
        self.hold_lists()
        with replacing(path) as new:  # the old one may be mapped, by this index too
            faiss.write_index(self.index, str(new))
        save_deleted(self._deleted, path)

    @classmethod
    def load(cls, path: Path, settings: IndexSettings) -> Self:
        """Read a FAISS file. The lists of ivf are mapped into memory: processes share them, and loading does not read them.

        Of pq_hnsw the vectors of the second look are mapped instead, and the codes are read.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        mapped = settings.kind == "pq_hnsw" and path.is_file() and path.stat().st_size >= MAPPED_FROM
        flags = faiss.IO_FLAG_MMAP_IFC if mapped else faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
        index = _read(path, flags)
        loaded = cls(index, kind_of(index), settings, load_deleted(path))
        loaded._mapped = path if mapped else None
        if loaded.kind in WITH_LISTS and loaded._mapped is None:
            lists = faiss.downcast_InvertedLists(loaded.inverted_file().invlists)
            lists.prefetch_nthread = 0  # 32 threads for every search
        return loaded

    def append(self, vectors: VectorRows) -> None:
        """Put vectors, (n, D), after those that are there, all of which are held in memory."""
        n = len(vectors)
        with faiss_threads(1 if self.kind == "hnsw" else None), progress(f"{self.kind} index", n, "tracks") as shown:
            for start in range(0, n, ADDED_AT_ONCE):
                self.index.add(self.as_indexed(vectors[start : start + ADDED_AT_ONCE]))
                shown.advance(min(ADDED_AT_ONCE, n - start))

    def hold_lists(self) -> None:
        """Copy what is mapped from a file into memory: only such lists can be added to, and written elsewhere."""
        self.read_mapped()
        if self.kind not in WITH_LISTS:
            return
        inverted = self.inverted_file()
        mapped = faiss.downcast_InvertedLists(inverted.invlists)
        if isinstance(mapped, faiss.ArrayInvertedLists):
            return
        held = faiss.ArrayInvertedLists(inverted.nlist, inverted.code_size)
        mapped.copy_subset_to(held, faiss.InvertedLists.SUBSET_TYPE_ID_RANGE, 0, int(self.index.ntotal))
        held.this.disown()
        inverted.replace_invlists(held, True)

    def read_mapped(self) -> None:
        """Read the vectors of a second look that are mapped: FAISS ends the process when it is told to change them."""
        if self._mapped is not None:
            self.index, self._mapped = _read(self._mapped, 0), None

    def inverted_file(self) -> Any:
        """The part of FAISS that holds the lists, of the kinds that have them."""
        return faiss.downcast_index(self.index.base_index) if self.kind in WITH_CODES else self.index

    def as_indexed(self, vectors: Floats) -> Floats:
        """Vectors, (n, D), in the width that the index has."""
        return padded(vectors, self.kind, self.settings)

    def _known(self, ids: Ids) -> Ids:
        return ids[(ids >= 0) & (ids < int(self.index.ntotal))]


def _read(path: Path, flags: int) -> Any:
    try:
        return faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None


def _bits_of(ids: Ids, n: int) -> NDArray[np.uint8]:
    """A bit for each of n tracks, which is 1 for those in `ids`."""
    bits = np.zeros(-(-n // 8), np.uint8)
    np.bitwise_or.at(bits, ids >> 3, (1 << (ids & 7)).astype(np.uint8))
    return bits
