"""The inverted index of learned sparse vectors against reading every row, over mixtures of the tracks of a log.

    uv run python benchmarks/sparse_index.py SPLITS --folder FOLDER --tracks 1500000

SPLITS is a version of the asset `temporal_splits`; FOLDER keeps the retriever of the family `sparse` that is trained on it, for 3
epochs. Tracks are random mixtures of the terms of two tracks, queries those of users of the log. One thread; a process cannot have
more than --memory-gb. Times of searches are CPU time, so that other work on the machine counts less; the last columns are
wall-clock time.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # read by Seismic when it is loaded

from large_catalog import limited
from scipy import sparse

from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.retriever import Retriever, fit_retriever
from loopback_core.lineage.retriever_files import RETRIEVER, load_retriever, save_retriever
from loopback_core.lineage.sparse_index import INVERTED, CsrIndex, InvertedIndex
from loopback_core.lineage.sparse_view import SparseView, heaviest
from loopback_core.settings import Settings, SparseSettings
from loopback_core.splits import Splits

K, DEPTH, USERS, AT_ONCE = 100, 1000, 200, 50_000

TERMS = SparseSettings()


def fitted(folder: Path, splits: Splits) -> Retriever:
    """That of the folder, or one that is trained on train for a few epochs and kept there."""
    if not (folder / RETRIEVER).exists():
        given = {"training": {"epochs": 3, "sampled": {"epoch_targets": 200_000}}}
        settings = settings_of_family(FAMILIES["sparse"], 0, given)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as checkpoints:
            save_retriever(fit_retriever("sparse", splits.tuning, settings, None, Path(checkpoints)), folder)
    return load_retriever(folder)


def mixed(known: SparseView, n: int, count: int) -> SparseView:
    """n tracks: mixtures of one row and, with less than half of the weight, another; the heaviest terms, as many as served."""
    random, blocks, matrix = np.random.default_rng(7), [], known.matrix
    for start in range(0, n, AT_ONCE):
        one, other = random.integers(len(known), size=(2, min(AT_ONCE, n - start)))
        weight = random.uniform(0.6, 1, len(one)).astype(np.float32)
        rows = sparse.diags_array(weight) @ matrix[one] + sparse.diags_array(1 - weight) @ matrix[other]
        rows = rows.tocoo()
        blocks.append(heaviest(rows.row, rows.col, rows.data, n_rows=len(one), width=known.width, count=count))
    return SparseView.joined(blocks, known.width)


def measured(index: Any, users: np.ndarray, k: int, exact: np.ndarray) -> dict[str, float]:
    """Recall of the 100 best among k that are found, and milliseconds of a search."""
    cpu, wall, hits = [], [], []
    for user, best in zip(users, exact, strict=True):
        begin, begin_cpu = time.perf_counter(), time.thread_time()
        found = index.search(user[None], k, None).tracks[0]
        cpu.append(1000 * (time.thread_time() - begin_cpu))
        wall.append(1000 * (time.perf_counter() - begin))
        hits.append(np.isin(best, found[:K]).mean())
    times = {f"p{q}{what}": float(np.percentile(of, q)) for what, of in (("", cpu), (" wall", wall)) for q in (50, 99)}
    return {"recall@100": float(np.mean(hits)), **times}


def settings_of(**sparse: Any) -> Settings:
    return Settings.model_validate({"lineage": {"sparse": sparse}})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=1_500_000, help="of the catalog that is searched")
    parser.add_argument("--postings", type=int, nargs="+", default=[TERMS.seismic_postings])
    parser.add_argument("--terms", type=int, nargs="+", default=[TERMS.seismic_terms], help="of a user that are read")
    parser.add_argument("--factor", type=float, nargs="+", default=[TERMS.seismic_heap_factor])
    parser.add_argument("--memory-gb", type=float, default=6.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    splits = Splits(options.splits)
    retriever, queries = fitted(options.folder, splits), splits.tuning.histories
    of_users = np.arange(min(USERS, splits.tuning.catalog.n_users))
    users = np.concatenate([retriever.embed(queries(of_users[row : row + 1]))[0] for row in of_users])
    (known,) = retriever.views
    limited(options.memory_gb)
    view = mixed(known, options.tracks, retriever.settings.lineage.sparse.track_terms)
    print(
        f"{len(view):,} tracks of {len(view.terms) / len(view):.1f} terms, {len(users)} users of {(users > 0).sum(1).mean():.1f}\n"
    )
    oracle = CsrIndex(view, settings_of())
    exact = np.concatenate([oracle.search(user[None], K, None).tracks for user in users])
    names = ["recall@100", "p50", "p99", "p50 wall", "p99 wall"]
    print(f"| index | found | build, s | bytes a track | peak, GB | {' | '.join(names)} |")
    print("| --- |" + " ---: |" * (4 + len(names)))

    def line(what: str, k: int, seconds: float, size: float, index: Any) -> None:
        of = measured(index, users, k, exact)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        values = [f"{of[names[0]]:.4f}", *(f"{of[name]:.2f}" for name in names[1:])]
        print(f"| {what} | {k} | {seconds:.0f} | {size:.0f} | {peak:.1f} | {' | '.join(values)} |", flush=True)

    line("every row (csr)", K, 0, view.n_bytes / len(view), oracle)
    for postings in options.postings:
        started = time.perf_counter()
        built = InvertedIndex.build(view, settings_of(engine="seismic", seismic_postings=postings))
        seconds = time.perf_counter() - started
        with TemporaryDirectory() as folder:
            built.save(Path(folder))
            size = (view.n_bytes + (Path(folder) / INVERTED).stat().st_size) / len(view)
        for terms in options.terms:
            for factor in options.factor:
                built.settings = settings_of(
                    engine="seismic", seismic_terms=terms, seismic_heap_factor=factor
                ).lineage.sparse
                what = json.dumps({"postings": postings, "terms": terms, "heap_factor": factor})
                for k in (K, DEPTH):
                    line(what.strip("{}").replace('"', ""), k, seconds, size, built)


if __name__ == "__main__":
    main()
