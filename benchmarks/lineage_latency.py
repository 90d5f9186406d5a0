"""What a query of each family of the lineage costs in a large catalog: time, bytes of a track, seconds to build.

    uv run python benchmarks/lineage_latency.py SPLITS --folder FOLDER [--tracks N] [--families NAME ...] [--lineage lineage.json]

SPLITS is a version of the asset `temporal_splits`. FOLDER keeps, by family, the retriever that is trained on it for an epoch (a fully
trained one may be put there instead), and `times.json`: a family that stands in it is not measured again. The tracks of the catalog
are random mixtures of two tracks of the log each, the artists of two artists; a query is the history of a user of the log, who is
asked for discoveries. One core; of each query the shortest of three times counts. Beside it stands the share of the 100 best of every
track that the list from the index holds. --lineage writes `lineage.md` and `lineage.png` into FOLDER: the quality of that document
(`lineage.json` of the asset `lineage`) against these costs.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sparse_index import mixed as mixed_terms

from loopback_core.data import Floats
from loopback_core.lineage.families import FAMILIES, PLAIN_TOWERS, settings_of_family
from loopback_core.lineage.lineage_json import read_lineage
from loopback_core.lineage.lineage_plot import plot_lineage
from loopback_core.lineage.lineage_rows import mark_front
from loopback_core.lineage.lineage_text import lineage_text
from loopback_core.lineage.query_cost import bytes_per_track, query_times, share_found
from loopback_core.lineage.retriever import Retriever, fit_retriever, index_of
from loopback_core.lineage.retriever_files import RETRIEVER, load_retriever, save_retriever
from loopback_core.lineage.sparse_view import SparseView
from loopback_core.lineage.track_views import TrackView, View
from loopback_core.splits import Splits
from loopback_core.tasks.task_builders import official_task
from loopback_core.towers.user import ONLY_NEW

AT_ONCE = 50_000
TIMES = "times.json"


def fitted(family: str, folder: Path, splits: Splits) -> Retriever:
    """That of the folder, or one that is trained for an epoch and kept there: what a query costs hardly depends on the weights."""
    if not (folder / RETRIEVER).exists():
        settings = settings_of_family(FAMILIES[family], 0, {"training": {"epochs": 1}})
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as checkpoints:
            save_retriever(fit_retriever(family, splits.tuning, settings, None, Path(checkpoints)), folder)
    return load_retriever(folder)


def mixed(vectors: Floats, n: int) -> Floats:
    """(n, D): the first are those that are given, each further one a mixture of two of them, as long as the first of both."""
    random, m = np.random.default_rng(7), len(vectors)
    made = np.empty((n, vectors.shape[1]), np.float32)
    made[:m] = vectors[:n]
    for start in range(m, n, AT_ONCE):
        block = made[start : start + AT_ONCE]
        one = np.arange(start, start + len(block)) % m
        other, weight = random.integers(m, size=len(block)), random.uniform(0.6, 1, (len(block), 1)).astype(np.float32)
        block[:] = weight * vectors[one] + (1 - weight) * vectors[other]
        lengths = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors[one], block)]
        block *= lengths[0] / np.maximum(lengths[1], 1e-12)
    return made


def larger(view: TrackView, n: int, terms: int) -> TrackView:
    """A view of n tracks; track i is like track i modulo those that are known, and its artist a mixture too. terms: of a track."""
    if isinstance(view, SparseView):
        return mixed_terms(view, n, terms)
    assert isinstance(view, View)
    if view.row is None:
        return View(mixed(view.vectors, n))
    copy, known = np.divmod(np.arange(n), len(view.row))
    row = (view.row[known] + copy * len(view.vectors)).astype(np.int32)
    return View(mixed(view.vectors, int(row.max()) + 1), row)


def measured(retriever: Retriever, splits: Splits, n: int, users: int) -> dict[str, float]:
    """The costs of a family, by the names of `lineage.json`."""
    settings, known = retriever.settings, len(retriever.artist)
    views = [larger(view, n, settings.lineage.sparse.track_terms) for view in retriever.views]
    artist = np.resize(retriever.artist, n)
    started = time.monotonic()
    index = index_of(views[0], settings)
    build_seconds = time.monotonic() - started
    task = official_task("discovery", splits.tuning_period, users, settings.evaluation.seed)
    large = replace(retriever, views=views, artist=artist, index=index).for_intent(ONLY_NEW)
    with TemporaryDirectory() as name:
        folder = Path(name)
        save_retriever(large, folder)
        large = replace(load_retriever(folder), intent=ONLY_NEW)  # what is mapped is timed, as a service would have it
        times, size = query_times(large, task, users), bytes_per_track(folder, n)
        found = share_found(large, official_task("discovery", splits.tuning_period, min(users, 20), 0))
    return {
        "tracks": n,
        "known": known,
        **times,
        "bytes_per_track": size,
        "build_seconds": build_seconds,
        "share_found, discovery": found,
    }


def table(times: dict[str, dict[str, float]]) -> str:
    """A row for each family."""
    names = ["p50_ms", "p99_ms", "search_p50_ms", "search_p99_ms", "bytes_per_track", "build_seconds"]
    lines = [
        "| family | p50, ms | p99, ms | search p50, ms | search p99, ms | bytes a track | index, s | found |",
        "| --- |" + " ---: |" * 7,
    ]
    for family, of in times.items():
        cells = [*(f"{of[name]:,.1f}" for name in names[:4]), *(f"{of[name]:,.0f}" for name in names[4:])]
        lines.append(f"| `{family}` | {' | '.join(cells)} | {of['share_found, discovery']:.3f} |")
    return "\n".join(lines)


def write_lineage_at_size(document: Path, times: dict[str, dict[str, float]], folder: Path) -> None:
    """The rows of a document whose families were timed, with these costs in place of those of the log's own catalog."""
    lineage = read_lineage(document)
    lineage["rows"] = [row for row in lineage["rows"] if row["family"] in times]
    lineage["tracks"] = int(times[PLAIN_TOWERS]["tracks"])
    for row in lineage["rows"]:
        kept = {name: row["costs"][name] for name in ("seconds", "parameters", "best_epoch") if name in row["costs"]}
        row["costs"] = kept | {
            name: value for name, value in times[row["family"]].items() if name not in ("tracks", "known")
        }
    for task in lineage["users"]:
        mark_front(lineage["rows"], task)
    plot_lineage(lineage, folder / "lineage.png")
    (folder / "lineage.md").write_text("\n\n".join(lineage_text(lineage)) + "\n", "utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=1_500_000, help="of the catalog that is searched")
    parser.add_argument("--users", type=int, default=200, help="whose histories are asked with, once each")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--lineage", type=Path, help="folder of a version of the asset lineage")
    options = parser.parse_args()
    torch.set_num_threads(1)
    splits, kept = Splits(options.splits), options.folder / TIMES
    times: dict[str, dict[str, float]] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for family in _wanted(options.families, times, options.tracks):
        times[family] = measured(fitted(family, options.folder / family, splits), splits, options.tracks, options.users)
        kept.write_text(json.dumps(times, indent=1) + "\n", "utf-8")
        print(f"{family}: {times[family]}", flush=True)
    times = {family: times[family] for family in FAMILIES if family in times}
    print(table(times))
    if options.lineage:
        write_lineage_at_size(options.lineage, times, options.folder)


def _wanted(families: Sequence[str], times: dict[str, dict[str, float]], tracks: int) -> list[str]:
    return [family for family in families if times.get(family, {}).get("tracks") != tracks]


if __name__ == "__main__":
    main()
