"""Listens as sparse matrices, users in the rows: what the neighbourhood and linear baselines multiply."""

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from loopback_core.data import Catalog, Floats, Histories, Ids, Ragged, Ranking
from loopback_core.retrieval.top_k import top_k, top_k_sparse

DENSE = 0.1
"""Above this share of entries that are not 0 a product with a dense matrix is the faster one."""

Weights = Literal["binary", "log"]
"""How plays count: 1 for any number of them, or log(1 + plays)."""


def weigh(plays: csr_array, weights: Weights) -> csr_array:
    """The same matrix with its plays turned into weights, float32."""
    values = np.ones_like(plays.data) if weights == "binary" else np.log1p(plays.data)
    return csr_array((values.astype(np.float32), plays.indices, plays.indptr), plays.shape)


LIGHTEST = 1e-4
"""Listens that weigh less than this share of the heaviest one of their history add work without an effect."""


def history_plays(histories: Histories, n_tracks: int, weight: NDArray[np.float64] | None = None) -> csr_array:
    """Plays of each track in each history, (rows, n_tracks) float32; tracks beyond the catalog are left out.

    weight: (listens,) what each listen counts instead of 1; very light ones are left out too.
    """
    tracks = histories.tracks
    known, row = tracks.values < n_tracks, tracks.row_numbers()
    counted = np.ones(len(row)) if weight is None else weight
    if weight is not None:
        heaviest = np.zeros(len(histories))
        np.maximum.at(heaviest, row, weight)
        known &= weight >= LIGHTEST * heaviest[row]
    rows, columns = row[known], tracks.values[known]
    plays = csr_array((counted[known].astype(np.float32), (rows, columns)), (len(histories), n_tracks))
    plays.sum_duplicates()
    return plays


def by_artist(plays: csr_array, catalog: Catalog) -> csr_array:
    """Plays of tracks added up to plays of artists, (rows, n_tracks) -> (rows, n_artists)."""
    ones = np.ones(catalog.n_tracks, np.float32)
    shape = catalog.n_tracks, catalog.n_artists
    return csr_array(plays @ csr_array((ones, (np.arange(catalog.n_tracks), catalog.artist)), shape))


def unit_rows(matrix: csr_array) -> csr_array:
    """Every row divided by its Euclidean length; an empty row stays empty."""
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return csr_array(diags_array(1 / np.where(length > 0, length, 1)) @ matrix).astype(np.float32)


def silence(scores: Floats, history: csr_array) -> Floats:
    """The scores of a model, (rows, n_tracks), -inf in rows without a known track: their order would be arbitrary."""
    scores[np.diff(history.indptr) == 0] = -np.inf
    return scores


class RightFactor:
    """A sparse matrix that blocks of a few rows are multiplied with."""

    def __init__(self, matrix: csr_array) -> None:
        """matrix: (n, m)."""
        self.matrix = matrix.astype(np.float32)

    @cached_property
    def _transposed(self) -> csr_array:
        return csr_array(self.matrix.T)

    def times(self, rows: csr_array) -> csr_array | Floats:
        """rows @ matrix, (k, n) -> (k, m): dense, in the order of rows, where the rows are no longer sparse."""
        k, n = rows.shape
        if rows.nnz <= DENSE * k * n:
            return csr_array(rows @ self.matrix)
        return self.times_dense(rows.toarray())

    def times_dense(self, rows: Floats) -> Floats:
        """The same for dense rows. From the other side: each of the m results is written once, and in order."""
        product: Floats = np.ascontiguousarray((self._transposed @ rows.T).T)
        return product


class CoOccurrence:
    """How often tracks occur in the same groups (users, sessions), normalised: the similarity of ItemKNN.

    similarity(i, j) = sum over the groups of x_i x_j / (|x_i| ** 2a × |x_j| ** 2(1 - a)), where x are the columns of
    `groups` and a the `asymmetry`: 0.5 is the cosine (Aiolli 2013).
    """

    MOST_PAIRS = 50_000_000
    """Pairs of tracks within groups up to which the similarities are made once and kept: 0.4 GB."""

    def __init__(self, groups: csr_array, asymmetry: float) -> None:
        """groups: (n_groups, n_tracks)."""
        length = np.asarray(groups.multiply(groups).sum(axis=0)).ravel()
        length = np.where(length > 0, length, 1)
        left = csr_array((groups @ diags_array(length**-asymmetry)).T).astype(np.float32)
        right = csr_array(groups @ diags_array(length ** (asymmetry - 1))).astype(np.float32)
        small = int(np.square(np.diff(groups.indptr).astype(np.int64)).sum()) <= self.MOST_PAIRS
        self._left: csr_array | None = None if small else left
        self._last = RightFactor(csr_array(left @ right) if small else right)

    def score(self, history: csr_array) -> csr_array | Floats:
        """Sum over the tracks i of a history of its weight × similarity(i, j), (rows, n_tracks), dense where it is."""
        return self._last.times(history if self._left is None else csr_array(history @ self._left))


def rank_positive(scores: csr_array | Floats, k: int, tie_rank: Ids, exclude: Ragged | None) -> Ranking:
    """The k best tracks with a positive score in every row of a (rows, n_tracks) matrix."""
    if isinstance(scores, np.ndarray):
        scores[scores <= 0] = -np.inf
        return top_k(scores, k, tie_rank, exclude)
    scores = csr_array(scores)
    scores.data[scores.data <= 0] = 0
    scores.eliminate_zeros()
    candidates = Ragged(scores.indptr.astype(np.int64), scores.indices.astype(np.int64))
    return top_k_sparse(candidates, scores.data, k, tie_rank, exclude)
