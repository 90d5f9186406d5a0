"""The two retrieval steps of the chain: vectors of the catalog, an index over them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopback_core.data import Floats
from loopback_core.features.track_content import track_content
from loopback_core.ranking.index_space import catalog_values, indexed_vectors
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import Knowledge
from loopback_core.recommenders.bundle import Towers
from loopback_core.retrieval.embed import track_vectors
from loopback_core.retrieval.index_recall import recall_of_index
from loopback_core.retrieval.indexes import build_index, index_file, save_index
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors, save_catalog_values, save_vectors
from loopback_core.runtime.capacity import need_memory
from loopback_core.settings import IndexSettings
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ONLY_NEW

COPIES = 3
"""Of the vectors: as they are read, as they are indexed, and the index; a graph's links are about a fourth."""


def embed_catalog(splits: Splits, towers: Path, folder: Path) -> dict[str, Any]:
    """Write the vectors of all tracks known at test time into `folder`; returns a summary."""
    model, catalog = TwoTower.load(towers), splits.testing.catalog
    vectors = track_vectors(model, track_content(splits.testing, model.settings))
    save_vectors(vectors, folder)
    save_catalog_values(catalog_values(splits.testing), folder)
    unknown = max(0, catalog.n_tracks - model.vocabulary.n_tracks)
    return {"tracks": len(vectors), "dimension": vectors.shape[1], "unknown_tracks": unknown}


def index_catalog(
    splits: Splits, towers: Path, ranker: Path, vectors_folder: Path, settings: IndexSettings, folder: Path
) -> dict[str, Any]:
    """Write the index over the vectors and its id map, `tracks.parquet`, into `folder`; returns a summary."""
    stored = load_vectors(vectors_folder)
    need_memory(COPIES * stored.nbytes, f"An index of {len(stored):,} tracks", "lower towers.output_dim")
    queries = real_queries(splits, towers, ranker, vectors_folder)
    names = splits.track_names.head(len(stored)).select("track", "artist_name", "track_name")
    names.with_columns(pl.col("track").cast(pl.Int32)).write_parquet(folder / "tracks.parquet")
    splits.forget()  # what follows holds the vectors twice
    vectors = indexed_vectors(stored, load_catalog_values(vectors_folder))
    index = build_index(vectors, settings)
    save_index(index, folder)
    return {
        "tracks": len(index),
        "kind": index.kind,
        "bytes": (folder / index_file(settings)).stat().st_size,
        "recall@100": recall_of_index(index, vectors, queries, 100),
    }


def real_queries(splits: Splits, towers: Path, ranker: Path, vectors: Path, limit: int = 200) -> Floats:
    """Index queries of discovery for at most `limit` users of the fit data, drawn by seed: (users, D + catalog terms).

    towers, ranker, vectors: the folders of the three.
    """
    fit, trained = splits.testing, Towers.load(towers, ranker)
    users = np.sort(np.random.default_rng(0).permutation(fit.catalog.n_users)[:limit]).astype(np.int64)
    scorer = Scorer(
        trained.model,
        Knowledge(fit.catalog),
        load_vectors(vectors),
        load_catalog_values(vectors),
        fit.catalog.artist,
        trained.rankers["discovery"],
        ONLY_NEW,
    )
    return scorer.index_queries(scorer.users(fit.histories(users)))
