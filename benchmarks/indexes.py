"""Kinds of indexes over the tracks of a home, queried by its real users: build time, size, latency, recall.

    uv run python benchmarks/indexes.py HOME [--kinds NAME ...]

HOME is a LOOPBACK_HOME in which `faiss_index` was made. Users are served one at a time on one core, as by a server,
100 tracks each, and all at once on all cores; recall@100 is against exact search. The peak is that of the process, the
vectors included. The last columns are of searches in which
the tracks that each user has played are left out inside the search.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from loopback_core.data import Histories, Ragged
from loopback_core.ranking.index_space import indexed_vectors
from loopback_core.recommenders.build_retrieval import real_queries
from loopback_core.retrieval.index_recall import recall_of_index
from loopback_core.retrieval.indexes import build_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors
from loopback_core.runtime.peak_memory import peak_memory
from loopback_core.settings import IndexSettings
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore

USERS, K = 200, 100

LIMIT_SECONDS = 240
"""For one kind: a kind that takes longer to build and measure is too slow to build after every training."""

KINDS = {
    "flat": IndexSettings(kind="flat"),
    "flat fp16": IndexSettings(kind="flat", storage="fp16"),
    "flat int8": IndexSettings(kind="flat", storage="int8"),
    "ivf fp32": IndexSettings(kind="ivf", storage="fp32"),
    "ivf fp16": IndexSettings(kind="ivf", storage="fp16"),
    "ivf int8": IndexSettings(kind="ivf", storage="int8"),
    "hnsw fp32": IndexSettings(kind="hnsw", storage="fp32"),
}


def measure_indexes(home: Path, kinds: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """kind -> what it takes; empty where LIMIT_SECONDS did not suffice. Each kind in a process of its own."""
    found = {}
    for kind in kinds or KINDS:
        command = [sys.executable, __file__, str(home), "--alone", kind]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_SECONDS)
            found[kind] = json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            found[kind] = {}
    return found


def measure_index(home: Path, settings: IndexSettings) -> dict[str, Any]:
    """What an index of this kind takes over the tracks of a home, with its real users."""
    store = ArtifactStore(home)
    made = store.latest("track_embeddings")
    towers, splits = store.upstream(made, "trained_towers"), Splits(store.upstream(made, "temporal_splits").folder)
    queries = real_queries(splits, towers.folder, store.upstream(made, "trained_ranker").folder, made.folder)[:USERS]
    data = splits.testing
    played = Histories.of(data.events, np.arange(data.catalog.n_users)[:USERS], data.now).tracks
    del data
    splits.forget()
    vectors = indexed_vectors(load_vectors(made.folder), load_catalog_values(made.folder))

    faiss.omp_set_num_threads(os.cpu_count() or 1)
    started = time.perf_counter()
    with peak_memory() as memory:
        index = build_index(vectors, settings)
    found = {"build_seconds": time.perf_counter() - started, "peak_mb": memory.peak_mb}
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        found["bytes"] = (Path(folder) / "index").stat().st_size
    found["recall@100"] = recall_of_index(index, vectors, queries, K)
    started = time.perf_counter()
    index.search(queries, K, None)
    found["batched_ms"] = 1000 * (time.perf_counter() - started) / len(queries)
    faiss.omp_set_num_threads(1)
    found |= _latency(index, queries, None, "")
    found |= _latency(index, queries, played, "_without_played")
    return found


def _latency(index: VectorIndex, queries: np.ndarray, exclude: Ragged | None, what: str) -> dict[str, float]:
    milliseconds = []
    for row in [*range(5), *range(len(queries))]:
        seen = None if exclude is None else exclude.take(np.array([row]))
        started = time.perf_counter()
        index.search(queries[row : row + 1], K, seen)
        milliseconds.append(1000 * (time.perf_counter() - started))
    timed = milliseconds[5:]  # the first ones warm up
    return {f"p50_ms{what}": float(np.percentile(timed, 50)), f"p99_ms{what}": float(np.percentile(timed, 99))}


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """As Markdown."""
    yield (
        "| index | build, s | peak, GB | size, MB | recall@100 | p50, ms | p99, ms | batched, ms | p50 without played "
        "| p99 |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for kind, of_kind in found.items():
        if not of_kind:
            yield f"| {kind} | > {LIMIT_SECONDS} |" + " — |" * 8
            continue
        yield (
            f"| {kind} | {of_kind['build_seconds']:.0f} | {of_kind['peak_mb'] / 1000:.1f} | "
            f"{of_kind['bytes'] / 1e6:,.0f} | {of_kind['recall@100']:.3f} | "
            f"{of_kind['p50_ms']:.2f} | {of_kind['p99_ms']:.2f} | {of_kind['batched_ms']:.2f} | "
            f"{of_kind['p50_ms_without_played']:.2f} | {of_kind['p99_ms_without_played']:.2f} |"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS))
    parser.add_argument("--json", type=Path, help="keep the numbers here too")
    parser.add_argument("--alone", choices=list(KINDS), help="measure this one in this process, and print JSON")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure_index(options.home, KINDS[options.alone])))
        return
    results = measure_indexes(options.home, options.kinds)
    print("\n".join(table(results)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
