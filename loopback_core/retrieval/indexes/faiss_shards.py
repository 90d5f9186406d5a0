"""An index of FAISS that is built by ranges of ids, in several processes, and goes on after a kill."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from loopback_core.data import Floats, Ids
from loopback_core.retrieval.indexes.faiss_engine import ADDED_AT_ONCE, Index
from loopback_core.retrieval.indexes.faiss_factory import WITH_CODES, WITH_LISTS
from loopback_core.retrieval.shards import Shard, make_shards, remove_shards, shards_of
from loopback_core.retrieval.vectors import VectorRows
from loopback_core.runtime.progress import progress
from loopback_core.settings import IndexSettings
from loopback_core.store.digests import file_sha256

OpenVectors = Callable[[], VectorRows]
"""Opens the vectors of a catalog, (n, D) float32, in the process that reads them."""

TRAINED, PART = "trained", "index"


def index_in_shards(open_vectors: OpenVectors, settings: IndexSettings, folder: Path) -> Index:
    """What `Index.build` gives, made shard by shard and joined: the lists of all shards are of the same centroids.

    So a search costs what it costs in one index, and finds the same. settings: no kind hnsw, whose graphs cannot be joined.
    folder: keeps the shards that are complete; they are removed when all are joined. What they were made from is not looked at:
    other vectors or settings need another folder.

    Raises:
        RoomError: as :func:`loopback_core.retrieval.shards.make_shards`.
    """
    vectors = open_vectors()
    shards = shards_of(len(vectors), settings.shards.tracks)
    everything = Shard(0, 0, len(vectors))
    [trained] = make_shards(partial(_train, vectors, settings), [everything], folder, TRAINED, 1)
    make, made_from = partial(_index_shard, open_vectors, settings, trained), file_sha256(trained)
    files = make_shards(make, shards, folder, PART, settings.shards.processes, made_from)
    whole = Index.load(trained, settings)
    whole.hold_lists()
    with progress("joined index", len(vectors), "tracks") as shown:
        for shard, file in zip(shards, files, strict=True):
            _join(whole, Index.load(file, settings), shard)
            shown.advance(shard.stop - shard.start)
    remove_shards([*files, trained])
    return whole


def _train(vectors: VectorRows, settings: IndexSettings, _: Shard, path: Path) -> None:
    Index.trained(vectors, settings).save(path)


def _index_shard(open_vectors: OpenVectors, settings: IndexSettings, trained: Path, shard: Shard, path: Path) -> None:
    part = Index.load(trained, settings)
    part.hold_lists()
    vectors = open_vectors()
    with progress(f"{part.kind} shard {shard.number}", shard.stop - shard.start, "tracks") as shown:
        for start in range(shard.start, shard.stop, ADDED_AT_ONCE):
            ids = np.arange(start, min(start + ADDED_AT_ONCE, shard.stop))
            _add(part, part.as_indexed(np.asarray(vectors[start : start + len(ids)], np.float32)), ids)
            shown.advance(len(ids))
    part.save(path)


def _add(part: Index, block: Floats, ids: Ids) -> None:
    """Lists keep the ids; other parts of an index only the order."""
    if part.kind not in WITH_LISTS:
        part.index.add(block)
        return
    part.inverted_file().add_with_ids(block, ids)
    if part.kind in WITH_CODES:
        part.index.refine_index.add(block)
        part.index.ntotal = part.index.refine_index.ntotal


def _join(whole: Index, part: Index, shard: Shard) -> None:
    """Put what a part holds after what the whole holds. Both are copies of one trained index."""
    part.read_mapped()
    if part.kind in WITH_LISTS:
        mine, other = whole.inverted_file(), part.inverted_file()
        by_id = faiss.InvertedLists.SUBSET_TYPE_ID_RANGE
        other.invlists.copy_subset_to(mine.invlists, by_id, shard.start, shard.stop)
        mine.ntotal += other.ntotal
    if part.kind in WITH_CODES:
        whole.index.refine_index.merge_from(part.index.refine_index)
        whole.index.ntotal = whole.index.refine_index.ntotal
    elif part.kind not in WITH_LISTS:
        whole.index.merge_from(part.index)
