"""Vectors of tracks as the nearest of some centroids and a coded residual (Santhanam et al. 2022, "ColBERTv2").

There a dimension of the residual takes one or two bits, by its quantiles. Here FAISS codes it: 4 bits a dimension by themselves,
or 4 bits for every two or four dimensions together (product quantisation, Jégou et al. 2011), which is 2 and 1 bits a dimension.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids
from loopback_core.errors import SettingsError
from loopback_core.lineage.track_views import View, read_row_of_track, write_array, write_row_of_track
from loopback_core.retrieval.products import products_with

MOST_CENTROIDS = 4_096

PER_CENTROID = 39
"""Vectors, below which FAISS calls a centroid badly trained."""

LEAST_TRAINED_ON = 16
"""Vectors: each part of a code has so many values."""

DIMENSIONS_OF_CODE = {2: 2, 1: 4}
"""Dimensions that 4 bits stand for, by the bits of one."""


@dataclass(frozen=True)
class CompressedView:
    """One vector of unit length for each track, decoded when it is read; tracks may share it as in :class:`View`."""

    codec: Any  # a trained faiss.IndexIVF that holds no vectors
    codes: NDArray[np.uint8]  # (m, bytes)
    row: NDArray[np.int32] | None = None  # (n_tracks,) the vector of each track; None: its own

    @classmethod
    def of(cls, view: View, bits: int) -> Self:
        """bits: of a dimension of the residual, 1, 2 or 4.

        Raises:
            SettingsError: the dimensions cannot be coded in twos or fours.
        """
        n, dim = view.vectors.shape
        if dim % DIMENSIONS_OF_CODE.get(bits, 1):
            raise SettingsError(
                f"lineage.late.residual_bits = {bits} codes {DIMENSIONS_OF_CODE[bits]} dimensions together: let towers.output_dim, which is "
                f"{dim}, be a multiple of that."
            )
        coded = f"PQ{dim // DIMENSIONS_OF_CODE[bits]}x4" if bits in DIMENSIONS_OF_CODE else f"SQ{bits}"
        codec = faiss.index_factory(dim, f"IVF{min(max(n // PER_CENTROID, 1), MOST_CENTROIDS)},{coded}")
        vectors = np.ascontiguousarray(view.vectors, np.float32)
        codec.train(np.resize(vectors, (max(n, LEAST_TRAINED_ON), dim)))
        return cls(codec, codec.sa_encode(vectors), view.row)

    @cached_property
    def vectors(self) -> Floats:
        """(m, D) all of them, decoded."""
        return self._decoded(np.arange(len(self.codes)))

    @property
    def n_bytes(self) -> int:
        """Of the codes, and of what says which track has which."""
        return self.codes.nbytes + (0 if self.row is None else self.row.nbytes)

    def products(self, users: Floats, tracks: Ids) -> Floats:
        """See :class:`loopback_core.lineage.track_views.TrackView`."""
        rows = tracks if self.row is None else self.row[tracks].astype(np.int64)
        distinct, place = np.unique(rows, return_inverse=True)
        decoded = self._decoded(distinct)
        return np.stack([products_with(decoded, np.arange(len(decoded)), user)[place] for user in users])

    def save(self, folder: Path, number: int) -> None:
        """See :class:`loopback_core.lineage.track_views.TrackView`."""
        write_array(_codes(folder, number), self.codes)
        faiss.write_index(self.codec, str(_codec(folder, number)))
        write_row_of_track(self.row, folder, number)

    @classmethod
    def load(cls, folder: Path, number: int, *, is_shared: bool) -> Self:
        """Read what :meth:`save` wrote; the codes are mapped."""
        codes = np.load(_codes(folder, number), mmap_mode="r", allow_pickle=False)
        codec = faiss.read_index(str(_codec(folder, number)))
        return cls(codec, codes, read_row_of_track(folder, number) if is_shared else None)

    def _decoded(self, rows: Ids) -> Floats:
        vectors: Floats = self.codec.sa_decode(np.ascontiguousarray(self.codes[rows]))
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return vectors


def _codes(folder: Path, view: int) -> Path:
    return folder / f"view_{view}_codes.npy"


def _codec(folder: Path, view: int) -> Path:
    return folder / f"view_{view}.codec"
