"""Indexes over catalogs of millions of tracks: built by shard and searched in processes of limited memory.

    uv run python benchmarks/large_catalog.py [HOME] --tracks 1500000 5000000 15000000 --folder FOLDER

HOME is a LOOPBACK_HOME: the vectors are random mixtures of those in its index (of one track and, with less than half of the
weight, another), the queries are those of its users. Without HOME, 128 dimensions: 400 genres, an artist for ten tracks near a
genre, tracks near their artist, and users between three artists. A smaller catalog is the beginning of a larger one.

Vectors are made by blocks and kept as fp16 in FOLDER (256 bytes a track), which is needed by the build alone. Build and
search each run in a new process that cannot have more than --memory-gb of memory of its own (mapped files are the system's), with
one thread in each of --processes. Times of searches are CPU time, so that other work on the machine counts less; the last columns
are wall-clock time. recall@100 is against exact search over the same vectors.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from loopback_core.retrieval.indexes import index_file, load_index, save_index
from loopback_core.retrieval.indexes.faiss_shards import index_in_shards
from loopback_core.retrieval.indexes.index_plan import plan_index
from loopback_core.settings import IndexSettings

BLOCK, USERS, K = 100_000, 200, 100

WIDTH, GENRES, TRACKS_OF_ARTIST = 128, 400, 10

PROBES = (32, 64, 128, 256, 512)


class Rows:
    """The first n rows of a file of fp16, read as float32."""

    def __init__(self, path: Path, n: int) -> None:
        self._held = np.load(path, mmap_mode="r")[:n]
        self.shape = self._held.shape

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._held[rows], np.float32)


def near(centres: np.ndarray, distance: float, random: np.random.Generator) -> np.ndarray:
    """Unit vectors around centres of unit length."""
    vectors = centres + distance / np.sqrt(WIDTH) * random.standard_normal(centres.shape, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def drawn_block(number: int) -> np.ndarray:
    """(BLOCK, WIDTH): the tracks of the block and their artists; few genres hold most artists, few artists most tracks."""
    random = np.random.default_rng([7, number])
    artists = drawn_artists(number, BLOCK // TRACKS_OF_ARTIST)
    return near(artists[(len(artists) * random.random(BLOCK) ** 2).astype(int)], 0.7, random)


def drawn_artists(number: int, count: int) -> np.ndarray:
    """(count, WIDTH) of a block."""
    genres = near(np.zeros((GENRES, WIDTH), np.float32), 1.0, np.random.default_rng(0))
    random, weight = np.random.default_rng([8, number]), np.arange(1, GENRES + 1) ** -0.8
    return near(genres[random.choice(GENRES, count, p=weight / weight.sum())], 0.8, random)


def drawn_queries() -> np.ndarray:
    """(USERS, WIDTH): between three artists of the first block."""
    random, artists = np.random.default_rng(9), drawn_artists(0, BLOCK // TRACKS_OF_ARTIST)
    weight = random.dirichlet([1, 0.5, 0.3], USERS).astype(np.float32)
    users = np.einsum("ua,uad->ud", weight, artists[random.integers(len(artists), size=(USERS, 3))])
    return 10 * near(users / np.linalg.norm(users, axis=1, keepdims=True), 0.4, random)


def mixed_block(vectors: np.ndarray, number: int) -> np.ndarray:
    """(BLOCK, D): mixtures of two rows of the vectors of a home, as long as the first."""
    random = np.random.default_rng([7, number])
    one, other = vectors[random.integers(len(vectors), size=(2, BLOCK))]
    weight = random.uniform(0.6, 1, (BLOCK, 1)).astype(np.float32)
    mixed = weight * one + (1 - weight) * other
    return mixed * (np.linalg.norm(one, axis=1) / np.linalg.norm(mixed, axis=1))[:, None]


def write_catalog(home: Path | None, sizes: list[int], folder: Path) -> None:
    """The vectors of the largest catalog, the queries, and for every size the exact 100 best."""
    known = None
    if home:
        from indexes import catalog_of_home  # loads torch, which takes gigabytes of address space

        known = catalog_of_home(home)
    queries = known.queries[:USERS] if known else drawn_queries()
    scores, tracks = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
    held = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (sizes[-1], queries.shape[1]))
    np.save(folder / "queries.npy", queries)
    for number, start in enumerate(range(0, sizes[-1], BLOCK)):
        block = mixed_block(known.vectors, number) if known else drawn_block(number)
        held[start : start + BLOCK] = block
        of_block, best = faiss.knn(
            queries, held[start : start + BLOCK].astype(np.float32), K, faiss.METRIC_INNER_PRODUCT
        )
        scores, tracks = np.concatenate([scores, of_block], 1), np.concatenate([tracks, best + start], 1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        scores, tracks = np.take_along_axis(scores, order, 1), np.take_along_axis(tracks, order, 1)
        if start + BLOCK in sizes:
            np.save(folder / f"exact-{start + BLOCK}.npy", tracks)


def build(folder: Path, n: int, settings: IndexSettings) -> dict[str, Any]:
    """Plan, build by shard and save; what it took."""
    plan = plan_index(n, np.load(folder / "queries.npy", mmap_mode="r").shape[1], settings)
    shards = folder / f"shards-{n}"
    for made in (folder / "index", shards):
        made.mkdir(exist_ok=True)
    started, cpu = time.perf_counter(), time.process_time()
    index = index_in_shards(partial(Rows, folder / "vectors.npy", n), plan.settings, shards)
    save_index(index, folder / "index")
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    processes = settings.shards.processes if settings.shards.processes > 1 else 0
    return {
        "reasons": plan.reasons,
        "kind": f"{index.kind} {plan.settings.storage}",
        "build_seconds": time.perf_counter() - started,
        "build_cpu_seconds": time.process_time() - cpu + workers.ru_utime + workers.ru_stime,
        "peak_gb": (own.ru_maxrss + processes * workers.ru_maxrss) * 1024 / 1e9,
        "disk_gb": (folder / "index" / index_file(plan.settings)).stat().st_size / 1e9,
    }


def search(folder: Path, n: int) -> dict[str, Any]:
    """Recall and times of one search at a time, as planned and with other numbers of lists."""
    queries, exact = np.load(folder / "queries.npy"), np.load(folder / f"exact-{n}.npy")
    index = load_index(folder / "index")
    planned, found = index.settings, {}
    for probes in sorted({planned.ivf.probes, *PROBES}):
        index.settings = planned.model_copy(update={"ivf": planned.ivf.model_copy(update={"probes": probes})})
        index.search(queries, K, None)  # reads the pages that are needed
        cpu, wall, hits = [], [], []
        for row in range(len(queries)):
            begin, begin_cpu = time.perf_counter(), time.thread_time()
            tracks = index.search(queries[row : row + 1], K, None).tracks[0]
            cpu.append(1000 * (time.thread_time() - begin_cpu))
            wall.append(1000 * (time.perf_counter() - begin))
            hits.append(np.isin(exact[row], tracks).mean())
        times = {
            f"p{q}{what}": float(np.percentile(of, q)) for what, of in (("", cpu), ("_wall", wall)) for q in (50, 99)
        }
        found[probes] = {"recall@100": float(np.mean(hits)), **times}
    lists = int(faiss.extract_index_ivf(index.index).nlist)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"lists": lists, "planned": planned.ivf.probes, "resident_gb": resident, "probes": found}


def table(results: dict[int, dict[str, Any]]) -> Iterator[str]:
    """As Markdown."""
    yield "| tracks | index | lists | build, s | CPU, s | peak, GB | disk, GB | process, GB | lists visited | recall@100 | p50, ms | p99, ms | p50 wall | p99 wall |"
    yield "| ---: | --- |" + " ---: |" * 12
    for n, of in results.items():
        took = f"{of['build_seconds']:.0f} | {of['build_cpu_seconds']:.0f} | {of['peak_gb']:.1f} | {of['disk_gb']:.2f}"
        for probes, at in of["probes"].items():
            mark = "**" if int(probes) == of["planned"] else ""
            times = " | ".join(f"{at[key]:.2f}" for key in ("p50", "p99", "p50_wall", "p99_wall"))
            yield (
                f"| {n:,} | {of['kind']} | {of['lists']:,} | {took} | {of['resident_gb']:.1f} | {mark}{probes}{mark} | "
                f"{at['recall@100']:.3f} | {times} |"
            )


def computed(n: int, settings: IndexSettings, measured: dict[str, Any], measured_tracks: int) -> Iterator[str]:
    """What a catalog that was not built would take: its plan, and the build of one that was, per track."""
    times = n / measured_tracks
    yield f"Computed, not measured, for {n:,} tracks from {measured_tracks:,}:"
    yield from (f"- {reason}" for reason in plan_index(n, WIDTH, settings).reasons)
    hours, disk = times * measured["build_cpu_seconds"] / 3600, times * measured["disk_gb"]
    yield f"- As {measured['kind']}: {hours:.1f} hours of one core to build, {disk:.1f} GB on disk."


def limited(gigabytes: float) -> None:
    """No more memory than this, mapped files aside, for this process and for each that it starts."""
    limit = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, nargs="?")
    parser.add_argument("--tracks", type=int, nargs="+", required=True, help=f"multiples of {BLOCK}")
    parser.add_argument(
        "--folder", type=Path, required=True, help="for vectors and indexes; both are removed at the end"
    )
    parser.add_argument("--memory-gb", type=float, default=12.0)
    parser.add_argument("--processes", type=int, default=1)
    planned = '{"flat_limit": 0, "ivf_limit": 0}'
    parser.add_argument(
        "--index",
        default=planned,
        help="settings of [index], as JSON; by default those that are planned for a large catalog",
    )
    parser.add_argument(
        "--keep-vectors", action="store_true", help="a later run with these sizes does not draw them again"
    )
    parser.add_argument("--json", type=Path, help="keep the numbers here too")
    parser.add_argument(
        "--paper", type=int, help="compute for so many tracks from --json of an earlier run, and build nothing"
    )
    parser.add_argument("--step", choices=("build", "search"), help="do this for one size, and print JSON")
    options = parser.parse_args()
    options.folder /= "large_catalog"  # of its own, since it is deleted at the end
    shards = {"processes": options.processes, "tracks": 1_000_000}
    settings = IndexSettings(**{"shards": shards, **json.loads(options.index)})
    if options.step:
        faiss.omp_set_num_threads(1)
        limited(options.memory_gb)
        n = options.tracks[0]
        print(json.dumps(build(options.folder, n, settings) if options.step == "build" else search(options.folder, n)))
        return
    if options.paper:
        results = json.loads(options.json.read_text("utf-8"))
        largest = max(results, key=int)
        print("\n".join(computed(options.paper, settings, results[largest], int(largest))))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    sizes = sorted(options.tracks)
    if not all((options.folder / f"exact-{n}.npy").exists() for n in sizes):
        write_catalog(options.home, sizes, options.folder)
    results = {}
    for n in sizes:
        results[n] = {}
        for step in ("build", "search"):
            command = [sys.executable, __file__, *sys.argv[1:], "--tracks", str(n), "--step", step]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            results[n] |= json.loads(done.stdout.splitlines()[-1])
            print(f"{n:,} {step}: {results[n]}", file=sys.stderr, flush=True)
        shutil.rmtree(options.folder / "index")
    if not options.keep_vectors:
        shutil.rmtree(options.folder)
    print("\n".join(table(results)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
