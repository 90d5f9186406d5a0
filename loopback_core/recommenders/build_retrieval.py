"""The two retrieval steps of the chain: vectors of the catalog, an index over them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from loopback_core.data import Floats
from loopback_core.features.track_content import TrackContent, track_content
from loopback_core.ranking.catalog_values import catalog_values
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.retrieval.index_recall import recall_of_index
from loopback_core.retrieval.indexes import build_index_in_shards, index_file, save_index
from loopback_core.retrieval.shards import Shard, make_shards, remove_shards, shards_of
from loopback_core.retrieval.vectors import join_vectors, load_vectors, save_catalog_values
from loopback_core.runtime.capacity import need_memory
from loopback_core.settings import IndexSettings, ShardSettings
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ONLY_NEW

COPIES = 3
"""Of the vectors: as they are read, as they are indexed, and the index; a graph's links are about a fourth."""


def embed_catalog(
    splits: Splits,
    towers: Path,
    folder: Path,
    shards: ShardSettings = ShardSettings(),  # noqa: B008 - frozen
    checkpoints: Path | None = None,
) -> dict[str, Any]:
    """Write the vectors of all tracks known at test time into `folder`; returns a summary.

    checkpoints: keeps the shards that are complete, for a run after a kill; None: none are kept.
    """
    model, catalog = TwoTower.load(towers), splits.testing.catalog
    ranges = shards_of(catalog.n_tracks, shards.tracks)
    with _kept(checkpoints) as parts:
        make = partial(_embed_shard, splits.folder, towers)
        if shards.processes == 1 or len(ranges) == 1:  # here, with what is loaded already
            content = track_content(splits.testing, model.settings)
            make = partial(_write_shard, model, content)
        files = make_shards(make, ranges, parts, "vectors", shards.processes)
        join_vectors(files, folder)
        remove_shards(files)
    save_catalog_values(catalog_values(splits.testing), folder)
    unknown = max(0, catalog.n_tracks - model.vocabulary.n_tracks)
    return {"tracks": catalog.n_tracks, "dimension": model.settings.output_dim, "unknown_tracks": unknown}


def _embed_shard(splits: Path, towers: Path, shard: Shard, path: Path) -> None:
    model = TwoTower.load(towers)
    _write_shard(model, track_content(Splits(splits).testing, model.settings), shard, path)


def _write_shard(model: TwoTower, content: TrackContent, shard: Shard, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, track_vectors(model, content, shard.start, shard.stop))


def index_catalog(
    splits: Splits,
    towers: Path,
    vectors_folder: Path,
    settings: IndexSettings,
    folder: Path,
    checkpoints: Path | None = None,
) -> dict[str, Any]:
    """Write the index over the vectors and its id map, `tracks.parquet`, into `folder`; returns a summary.

    checkpoints: as of :func:`embed_catalog`.
    """
    stored = load_vectors(vectors_folder)
    needed = COPIES * stored.nbytes
    if len(stored) > settings.shards.tracks:
        in_work = settings.shards.processes * settings.shards.tracks / len(stored)
        needed = int(stored.nbytes * (1 + COPIES * min(1, in_work)))  # the whole index, and the shards that are made
    need_memory(needed, f"An index of {len(stored):,} tracks", "lower towers.output_dim or index.shards.tracks")
    queries = real_queries(splits, towers)
    names = splits.track_names.head(len(stored)).select("track", "artist_name", "track_name")
    names.with_columns(pl.col("track").cast(pl.Int32)).write_parquet(folder / "tracks.parquet")
    splits.forget()  # what follows may hold the vectors twice
    with _kept(checkpoints) as parts:
        index, plan = build_index_in_shards(partial(load_vectors, vectors_folder), settings, parts)
    save_index(index, folder)
    return {
        "tracks": len(index),
        "kind": index.kind,
        "bytes": (folder / index_file(index.settings)).stat().st_size,
        "recall@100": recall_of_index(index, stored, queries, 100),
        "reasons": list(plan.reasons),
    }


@contextmanager
def _kept(checkpoints: Path | None) -> Iterator[Path]:
    """The folder of checkpoints, or one that is removed."""
    if checkpoints is not None:
        yield checkpoints
        return
    with TemporaryDirectory(prefix="loopback-shards-") as folder:
        yield Path(folder)


def real_queries(splits: Splits, towers: Path, limit: int = 200) -> Floats:
    """The vectors of at most `limit` users of the fit data who ask for new tracks, drawn by seed: (users, D).

    towers: the folder of those.
    """
    fit, model = splits.testing, TwoTower.load(towers)
    users = np.sort(np.random.default_rng(0).permutation(fit.catalog.n_users)[:limit]).astype(np.int64)
    return user_vectors(model, fit.histories(users), fit.catalog.artist, ONLY_NEW)
