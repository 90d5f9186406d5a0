"""Vectors and index on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopback_core.data import Floats, Histories
from loopback_core.splits import Splits

if TYPE_CHECKING:
    from loopback_core.retrieval.index import FaissIndex
    from loopback_core.settings import IndexSettings

VECTORS, INDEX = "track_vectors.npy", "tracks.faiss"


def save_vectors(vectors: Floats, folder: Path) -> None:
    """Write (n_tracks, D) float32; row i is track i of the catalog."""
    np.save(folder / VECTORS, vectors)


def load_vectors(folder: Path) -> Floats:
    """Read them back, mapped into memory. Never unpickles."""
    vectors: Floats = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
    return vectors


def load_index(folder: Path, settings: IndexSettings) -> FaissIndex:
    """Read the index of a folder."""
    from loopback_core.retrieval.index import FaissIndex

    return FaissIndex.load(folder / INDEX, settings)


def real_queries(splits: Splits, towers: Path, limit: int = 1000) -> Floats:
    """User vectors to measure an index with: of at most `limit` users of the fit data, (users, D), chosen by seed."""
    from loopback_core.retrieval.embed import user_vectors
    from loopback_core.towers.two_tower import TwoTower

    fit = splits.testing
    users = np.sort(np.random.default_rng(0).permutation(fit.catalog.n_users)[:limit]).astype(np.int64)
    return user_vectors(TwoTower.load(towers), Histories.of(fit.events, users, fit.now))
