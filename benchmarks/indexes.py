"""Kinds of indexes over the tracks of a home, queried by its real users: build time, size, latency, recall.

    uv run python benchmarks/indexes.py HOME [--kinds NAME ...]
    uv run python benchmarks/indexes.py --drawn 100000 [--kinds NAME ...]

HOME is a LOOPBACK_HOME in which `faiss_index` was made. --drawn needs none: N vectors of 128 dimensions around random
centres, and users drawn like them. Users are served one at a time on one core, as by a server,
100 tracks each, and all at once on all cores; recall@100 is against exact search. The peak is that of the process, the
vectors included, and without what a server holds. "Without played": the tracks that each user has played are left out
inside the search; "without 1,000": the 1,000 nearest to each user; "of 1 %": only tracks of a random hundredth are let in.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from loopback_core.data import Histories, Ids, Ragged, Ranking
from loopback_core.recommenders.build_retrieval import real_queries
from loopback_core.retrieval.index_recall import recall_of_index
from loopback_core.retrieval.indexes import build_index, index_file, save_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import load_vectors
from loopback_core.runtime.peak_memory import peak_memory
from loopback_core.settings import ENGINE_OF_KIND, IndexSettings
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore

USERS, K = 200, 100

DRAWN_WIDTH, DRAWN_PER_CENTRE = 128, 100

EXCLUDED, FILTER_KEEPS = 1_000, 0.01

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
    "pq fp32": IndexSettings(kind="pq", storage="fp32"),
    "pq int8": IndexSettings(kind="pq", storage="int8"),
    "ivf_hnsw int8": IndexSettings(kind="ivf_hnsw", storage="int8"),
    "pq_hnsw int8": IndexSettings(kind="pq_hnsw", storage="int8"),
    "usearch": IndexSettings(kind="usearch"),
    "usearch fp16": IndexSettings(kind="usearch", storage="fp16"),
    "voyager": IndexSettings(kind="voyager"),
    "scann": IndexSettings(kind="scann"),
    "qdrant": IndexSettings(kind="qdrant"),
    "lancedb": IndexSettings(kind="lancedb"),
    "pgvector": IndexSettings(kind="pgvector"),
}

LIBRARY = {"qdrant": "qdrant_edge", "pgvector": "pgserver"}
"""Of an engine, where it is not named like the engine."""

COLUMNS = (
    ("build, s", "build_seconds", "{:.0f}", 1),
    ("peak, GB", "peak_mb", "{:.1f}", 1000),
    ("disk, MB", "bytes", "{:,.0f}", 1e6),
    ("recall@100", "recall@100", "{:.3f}", 1),
    ("p50, ms", "p50_ms", "{:.2f}", 1),
    ("p99, ms", "p99_ms", "{:.2f}", 1),
    ("batched, ms", "batched_ms", "{:.2f}", 1),
    ("p50 without played", "p50_ms_without_played", "{:.2f}", 1),
    ("p99", "p99_ms_without_played", "{:.2f}", 1),
    ("p50 without 1,000", "p50_ms_without_1000", "{:.2f}", 1),
    ("p99", "p99_ms_without_1000", "{:.2f}", 1),
    ("recall", "recall_without_1000", "{:.3f}", 1),
    ("p50 of 1 %", "p50_ms_of_1_percent", "{:.2f}", 1),
    ("p99", "p99_ms_of_1_percent", "{:.2f}", 1),
    ("recall", "recall_of_1_percent", "{:.3f}", 1),
)
"""Title, key, format, and what the value is divided by."""


@dataclass(frozen=True)
class Catalog:
    vectors: np.ndarray  # (n, D) float32
    queries: np.ndarray  # (users, D) float32
    played: Ragged | None  # per user; None: nobody played anything


def measure_indexes(
    source: Path | int, kinds: Sequence[str] | None = None, limit: int = LIMIT_SECONDS, threads: int = 0
) -> dict[str, dict[str, Any]]:
    """kind -> what it takes; empty where `limit` seconds did not suffice. Each kind in a process of its own.

    source: a home, or how many vectors are drawn. kinds: those of FAISS by default. threads: 0 for all cores.
    """
    found = {}
    of_source = ["--drawn", str(source)] if isinstance(source, int) else [str(source)]
    for kind in kinds or [kind for kind in KINDS if _engine_of(kind) == "faiss"]:
        command = [sys.executable, __file__, *of_source, "--alone", kind, "--threads", str(threads)]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=limit)
            found[kind] = json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            found[kind] = {}
        print(f"{kind}: {found[kind]}", file=sys.stderr, flush=True)
    return found


def measure_index(catalog: Catalog, settings: IndexSettings, threads: int) -> dict[str, Any]:
    """What an index of this kind takes over a catalog, with its users."""
    vectors, queries = catalog.vectors, catalog.queries
    faiss.omp_set_num_threads(threads or os.cpu_count() or 1)
    started = time.perf_counter()
    with peak_memory() as memory:
        index = build_index(vectors, settings)
    found = {"build_seconds": time.perf_counter() - started, "peak_mb": memory.peak_mb}
    with tempfile.TemporaryDirectory() as folder:
        save_index(index, Path(folder))
        found["bytes"] = (Path(folder) / index_file(settings)).stat().st_size
    found["recall@100"] = recall_of_index(index, vectors, queries, K)
    started = time.perf_counter()
    index.search(queries, K, None)
    found["batched_ms"] = 1000 * (time.perf_counter() - started) / len(queries)
    nearest = faiss.knn(queries, vectors, min(EXCLUDED + K, len(vectors)), faiss.METRIC_INNER_PRODUCT)[1]
    some = np.flatnonzero(np.random.default_rng(2).random(len(vectors)) < FILTER_KEEPS)
    of_some = some[faiss.knn(queries, vectors[some], min(K, len(some)), faiss.METRIC_INNER_PRODUCT)[1]]
    faiss.omp_set_num_threads(1)
    found |= _latency(index, queries, None, None, "")
    if catalog.played is not None:
        found |= _latency(index, queries, catalog.played, None, "_without_played")
    best, rest = nearest[:, :EXCLUDED], nearest[:, EXCLUDED:]
    without = Ragged(np.arange(0, best.size + 1, best.shape[1]), best.ravel())
    found |= _latency(index, queries, without, None, "_without_1000")
    found["recall_without_1000"] = _recall(index.search(queries, K, without), rest)
    found |= _latency(index, queries, None, some, "_of_1_percent")
    found["recall_of_1_percent"] = _recall(index.search(queries, K, None, some), of_some)
    return found


def catalog_of_home(home: Path) -> Catalog:
    """The vectors of a home and its real users."""
    store = ArtifactStore(home)
    made = store.latest("track_embeddings")
    towers, splits = store.upstream(made, "trained_towers"), Splits(store.upstream(made, "temporal_splits").folder)
    queries = real_queries(splits, towers.folder)[:USERS]
    data = splits.testing
    played = Histories.of(data.events, np.arange(data.catalog.n_users)[:USERS], data.now).tracks
    del data
    splits.forget()
    return Catalog(load_vectors(made.folder), queries, played)


def drawn_catalog(n: int) -> Catalog:
    """n unit vectors around random centres, and users drawn like them."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((max(1, n // DRAWN_PER_CENTRE), DRAWN_WIDTH), np.float32)

    def draw(count: int) -> np.ndarray:
        vectors = centres[random.integers(len(centres), size=count)]
        vectors += random.standard_normal(vectors.shape, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return Catalog(draw(n), draw(USERS), None)


def _latency(index: VectorIndex, queries: np.ndarray, exclude: Ragged | None, only: Ids | None, what: str) -> dict:
    milliseconds = []
    for row in [*range(5), *range(len(queries))]:
        seen = None if exclude is None else exclude.take(np.array([row]))
        started = time.perf_counter()
        index.search(queries[row : row + 1], K, seen, only)
        milliseconds.append(1000 * (time.perf_counter() - started))
    timed = milliseconds[5:]  # the first ones warm up
    return {f"p50_ms{what}": float(np.percentile(timed, 50)), f"p99_ms{what}": float(np.percentile(timed, 99))}


def _recall(found: Ranking, best: np.ndarray) -> float:
    return float(np.mean([np.isin(row, tracks).mean() for row, tracks in zip(best, found.tracks, strict=True)]))


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """As Markdown; only columns that a kind has a number for."""
    columns = [column for column in COLUMNS if any(column[1] in of_kind for of_kind in found.values())]
    columns = columns or list(COLUMNS)
    yield "| index | " + " | ".join(title for title, *_ in columns) + " |"
    yield "| --- |" + " ---: |" * len(columns)
    for kind, of_kind in found.items():
        if not of_kind:
            yield f"| {kind} | too long |" + " — |" * (len(columns) - 1)
            continue
        values = (form.format(of_kind[key] / unit) if key in of_kind else "—" for _, key, form, unit in columns)
        yield f"| {kind} | " + " | ".join(values) + " |"


def _engine_of(kind: str) -> str:
    return ENGINE_OF_KIND[KINDS[kind].kind]


def installed_kinds() -> list[str]:
    """Those whose library is installed."""
    return [kind for kind in KINDS if find_spec(LIBRARY.get(_engine_of(kind), _engine_of(kind)))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, nargs="?")
    parser.add_argument("--drawn", type=int, metavar="N", help="no home, but N vectors that are drawn")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), help="by default all whose library is installed")
    parser.add_argument("--limit", type=int, default=LIMIT_SECONDS, help="seconds that a kind may take")
    parser.add_argument(
        "--threads", type=int, default=0, help="of FAISS while it builds and answers all; 0: one per core"
    )
    parser.add_argument("--json", type=Path, help="keep the numbers here too")
    parser.add_argument("--alone", choices=list(KINDS), help="measure this one in this process, and print JSON")
    options = parser.parse_args()
    if (options.home is None) == (options.drawn is None):
        parser.error("give either HOME or --drawn N")
    if options.alone:
        catalog = drawn_catalog(options.drawn) if options.drawn else catalog_of_home(options.home)
        print(json.dumps(measure_index(catalog, KINDS[options.alone], options.threads)))
        return
    results = measure_indexes(
        options.drawn or options.home, options.kinds or installed_kinds(), options.limit, options.threads
    )
    print("\n".join(table(results)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
