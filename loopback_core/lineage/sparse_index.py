"""Search among the terms of tracks: exactly by every row, or by the inverted index of Seismic."""

from abc import ABC, abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np

from loopback_core.data import Floats, Ids, Ragged, Ranking
from loopback_core.errors import SettingsError
from loopback_core.lineage.sparse_view import SparseView
from loopback_core.retrieval.top_k import no_ranking, tie_order, top_k
from loopback_core.settings import Settings
from loopback_core.store.atomic import replacing

INVERTED = "tracks.seismic"

SIXTEEN_BITS = 1 << 16
"""A vocabulary up to this is kept by Seismic in two bytes a term."""

ROWS_WRITTEN_AT_ONCE = 100_000


class SparseIndex(ABC):
    """The products of users with all tracks of a view."""

    def __init__(self, view: SparseView, settings: Settings) -> None:
        self.view, self.settings = view, settings.lineage.sparse
        self._matrix = view.matrix
        self._tie_rank = tie_order(len(view), settings.evaluation.seed)

    def search(self, users: Floats, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks of each user, (rows, width), without those in its row of `exclude`; a list is never padded."""
        ranking = no_ranking(len(users), k)
        for row, user in enumerate(users):
            left_out = np.zeros(0, np.int64) if exclude is None else exclude[row]
            best = self._search(user, k, left_out)
            ranking.tracks[row], ranking.scores[row] = best.tracks[0], best.scores[0]
        return ranking

    def search_exactly(self, user: Floats, k: int, exclude: Ids) -> Ranking:
        """The k best by the product with every row, a ranking of one row; what no term finds has a score of 0."""
        scores = np.asarray(self._matrix @ user, np.float32)
        return top_k(scores[None], k, self._tie_rank, Ragged(np.array([0, len(exclude)]), exclude))

    @abstractmethod
    def _search(self, user: Floats, k: int, exclude: Ids) -> Ranking: ...

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what the view does not hold."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, view: SparseView, settings: Settings) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            OSError: it is missing or damaged.
        """


class CsrIndex(SparseIndex):
    """Exact: every row is read, and no file is needed."""

    def _search(self, user: Floats, k: int, exclude: Ids) -> Ranking:
        return self.search_exactly(user, k, exclude)

    def save(self, folder: Path) -> None:
        """Nothing: the view is all."""

    @classmethod
    def load(cls, folder: Path, view: SparseView, settings: Settings) -> Self:
        """Of the view."""
        return cls(view, settings)


class InvertedIndex(SparseIndex):
    """Posting lists in blocks with summaries (Bruch et al. 2024, "Efficient Inverted Indexes for Approximate Retrieval over
    Learned Sparse Representations"); what is left out makes a search wider."""

    def __init__(self, view: SparseView, settings: Settings, index: Any) -> None:
        super().__init__(view, settings)
        self._index = index

    @classmethod
    def build(cls, view: SparseView, settings: Settings) -> Self:
        """By way of a temporary file of all rows."""
        library, sparse = _library(view.width), settings.lineage.sparse
        with TemporaryDirectory() as folder:
            rows = Path(folder) / "rows"
            _write_rows(view, rows)
            index = library.build(str(rows), n_postings=sparse.seismic_postings)
        return cls(view, settings, index)

    def _search(self, user: Floats, k: int, exclude: Ids) -> Ranking:
        terms = np.flatnonzero(user[: self._index.dim]).astype(
            np.int32
        )  # of a term beyond, which no track has, it panics
        if not len(terms):
            return self.search_exactly(user, k, exclude)
        sparse, wide = self.settings, min(k + len(exclude), len(self.view))
        found = self._index.search(terms, user[terms], wide, sparse.seismic_terms, sparse.seismic_heap_factor, 0, True)
        tracks = np.array([track for _, track in found], np.int64)
        scores = np.array([score for score, _ in found], np.float32)
        kept = ~np.isin(tracks, exclude)
        tracks, scores = tracks[kept][:k], scores[kept][:k]
        if len(tracks) < min(k, len(self.view) - len(exclude)):  # few tracks share a term with the user
            return self.search_exactly(user, k, exclude)
        ranking = no_ranking(1, k)
        ranking.tracks[0, : len(tracks)], ranking.scores[0, : len(tracks)] = tracks, scores
        return ranking

    def save(self, folder: Path) -> None:
        """Write the posting lists."""
        with replacing(folder / INVERTED) as new:
            self._index.save(str(new))

    @classmethod
    def load(cls, folder: Path, view: SparseView, settings: Settings) -> Self:
        """See :meth:`SparseIndex.load`."""
        return cls(view, settings, _library(view.width).load(str(folder / INVERTED)))


def build_sparse_index(view: SparseView, settings: Settings) -> SparseIndex:
    """An index over the rows of a view, of the engine that the settings name.

    Raises:
        SettingsError: its library is not installed.
    """
    if settings.lineage.sparse.engine == "seismic":
        return InvertedIndex.build(view, settings)
    return CsrIndex(view, settings)


def load_sparse_index(folder: Path, view: SparseView, settings: Settings) -> SparseIndex:
    """Read what :meth:`SparseIndex.save` wrote; errors are those of both above."""
    return ENGINES[settings.lineage.sparse.engine].load(folder, view, settings)


ENGINES: dict[str, type[SparseIndex]] = {"csr": CsrIndex, "seismic": InvertedIndex}


def _library(width: int) -> Any:
    try:
        import seismic
    except ModuleNotFoundError:
        raise SettingsError(
            "lineage.sparse.engine is 'seismic', whose library is not installed: pip install \"loopback[seismic]\""
        ) from None
    return seismic.SeismicIndexRaw if width <= SIXTEEN_BITS else seismic.SeismicIndexRawLV


def _write_rows(view: SparseView, path: Path) -> None:
    """As Seismic reads them, in words of 32 bits: the number of rows, and for each its length, its terms and its weights."""
    lengths = np.diff(view.offsets)
    begins = 1 + np.arange(len(view)) + 2 * view.offsets[:-1]
    with path.open("wb") as file:
        np.array([len(view)], np.uint32).tofile(file)
        for start in range(0, len(view), ROWS_WRITTEN_AT_ONCE):
            rows = slice(start, start + ROWS_WRITTEN_AT_ONCE)
            of, low = lengths[rows], int(view.offsets[start])
            high = low + int(of.sum())
            words = np.empty(len(of) + 2 * (high - low), np.uint32)
            first = begins[rows] - begins[start]
            words[first] = of
            place = np.repeat(first + 1 - (view.offsets[:-1][rows] - low), of) + np.arange(high - low)
            words[place] = view.terms[low:high]
            words[place + np.repeat(of, of)] = view.weights[low:high].view(np.uint32)
            words.tofile(file)
