"""An index of FAISS that is built by ranges of ids, in several processes, and goes on after a kill."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from loopback_core.retrieval.indexes.faiss_engine import Index
from loopback_core.retrieval.shards import Shard, make_shards, shards_of
from loopback_core.retrieval.vectors import VectorRows
from loopback_core.runtime.progress import progress
from loopback_core.settings import IndexSettings
from loopback_core.store.atomic import replacing

OpenVectors = Callable[[], VectorRows]
"""Opens the vectors of a catalog, (n, D) float32, in the process that reads them."""

TRAINED, PART = "trained.faiss", "index"


def index_in_shards(open_vectors: OpenVectors, settings: IndexSettings, folder: Path) -> Index:
    """What `Index.build` gives, made shard by shard and joined: the lists of all shards are of the same centroids.

    So a search costs what it costs in one index, and finds the same. settings: no kind hnsw, whose graphs cannot be joined.
    folder: keeps the shards that are complete, for the same vectors and settings; they are removed when all are joined.

    Raises:
        RoomError: as :func:`loopback_core.retrieval.shards.make_shards`.
    """
    vectors = open_vectors()
    shards = shards_of(len(vectors), settings.shards.tracks)
    trained = folder / TRAINED
    if not trained.exists():
        with replacing(trained) as new:
            Index.trained(vectors, settings).save(new)
    make = partial(_index_shard, open_vectors, settings, trained)
    files = make_shards(make, shards, folder, PART, settings.shards.processes)
    whole = Index.load(trained, settings)
    whole.hold_lists()
    with progress("joined index", len(vectors), "tracks") as shown:
        for shard, file in zip(shards, files, strict=True):
            whole.join(Index.load(file, settings), range(shard.start, shard.stop))
            shown.advance(shard.stop - shard.start)
    for file in (*files, trained):
        file.unlink()
    return whole


def _index_shard(open_vectors: OpenVectors, settings: IndexSettings, trained: Path, shard: Shard, path: Path) -> None:
    part = Index.load(trained, settings)
    part.hold_lists()
    part.append(open_vectors(), range(shard.start, shard.stop))
    part.save(path)
