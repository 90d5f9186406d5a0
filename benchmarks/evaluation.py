"""Time and memory of the evaluation at full size: every baseline, then the report's numbers, a process for each.

    uv run python benchmarks/evaluation.py [--events N] [--users N] [--folder PATH] [--baselines ID ...]
        [--tuning-users N]

The log is the generated one; at 19,100,000 events it has the size of Last.fm-1K. It is made once and kept in --folder
(default: .loopback/benchmarks), read and cut by the chain's own steps. Each baseline is tuned, fitted and asked for its
lists in a separate process, so that its peak is its own; then the towers (freshly initialised: what they score does
not change how long it takes), the lists and the closed form are measured in all five tasks. The CPU used by other
processes is printed, since these machines are shared.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from machine import foreign_load

from loopback_core.recommenders.baselines import BASELINES

CHEAP = [name for name in BASELINES if name not in ("ials", "bpr")]


def make_splits(folder: Path, events: int, users: int) -> Path:
    """The splits of a generated log, made unless they are there."""
    from loopback_core.listens.ingest import ingest
    from loopback_core.listens.raw import log_of, publish_raw
    from loopback_core.settings import SourceSettings, SplitSettings
    from loopback_core.splits import split_listens
    from loopback_core.store.artifacts import ArtifactStore

    settings = SourceSettings(sample_events=events, sample_users=users)
    store = ArtifactStore(folder / f"{events}-{users}")
    raw, _ = publish_raw(store, settings)
    steps = {
        "interactions": lambda out: asdict(ingest(log_of(raw), out, settings)),
        "temporal_splits": lambda out: asdict(split_listens(store.latest("interactions").folder, out, SplitSettings())),
    }
    for asset, make in steps.items():
        store.build(asset, make, upstream={}, settings={}, code="benchmark")
    return store.latest("temporal_splits").folder


def measure_baseline(splits_folder: Path, lists: Path, name: str, tuning_users: str) -> None:
    """Tune one baseline on the given number of users, fit it and make all of its lists."""
    from loopback_core.recommenders.baselines.baseline_lists import build_baselines
    from loopback_core.settings import EvaluationSettings
    from loopback_core.splits import Splits

    build_baselines(Splits(splits_folder), EvaluationSettings(baselines=[name], tuning_users=int(tuning_users)), lists)


def measure_evaluation(splits_folder: Path, lists: Path) -> None:
    """All five tasks, with untrained towers and every list that was made."""
    import torch

    from loopback_core.evaluation.measuring import Trained, measure
    from loopback_core.features.track_content import TrackContent
    from loopback_core.ranking.catalog_values import catalog_values
    from loopback_core.ranking.linear_ranker import TOWERS_ALONE
    from loopback_core.recommenders.baselines.baseline_lists import BaselineLists
    from loopback_core.recommenders.bundle import Bundle
    from loopback_core.recommenders.ranked_towers import Towers
    from loopback_core.retrieval.embed import track_vectors
    from loopback_core.retrieval.indexes import build_index
    from loopback_core.settings import IndexSettings, Settings
    from loopback_core.splits import Splits
    from loopback_core.tasks.task_builders import TASKS
    from loopback_core.towers.two_tower import TwoTower, Vocabulary

    splits, settings = Splits(splits_folder), Settings()
    catalog = splits.tuning.catalog
    torch.manual_seed(0)
    model = TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), settings.towers).eval()
    vectors = track_vectors(model, TrackContent(splits.testing.catalog.artist))
    values = catalog_values(splits.testing)
    index = build_index(vectors, IndexSettings(kind="flat"))
    towers = Towers(model, dict.fromkeys(TASKS, TOWERS_ALONE), None)
    started = time.monotonic()
    fit = splits.testing
    bundle = Bundle(fit.catalog, fit.names, fit.now, False, False, towers, vectors, values, index)
    trained = Trained(bundle, 1.0)
    measured = measure(splits, trained, BaselineLists(lists), settings)
    print(json.dumps({
        "seconds": time.monotonic() - started,
        "recommenders": {name: len([m for m in r.means.values() if m]) for name, r in measured.results.items()},
        "users": {name: len(result.task.users) for name, result in measured.results.items()},
        "candidates": {name: result.task.n_candidates for name, result in measured.results.items()},
        "smallest_p": measured.calibration["smallest_p"],
    }))  # fmt: skip


def in_a_process(*arguments: str) -> dict[str, float]:
    """Run one step of this file by itself: seconds, peak RSS in MB, CPU of other processes in cores."""
    used = [0.0]
    with foreign_load(lambda: used[0]) as load:
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, __file__, *arguments])
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        used[0] = usage.ru_utime + usage.ru_stime
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return {"seconds": seconds, "peak_mb": usage.ru_maxrss * 1024 / 1e6, "foreign_cores": load.foreign_cores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=19_100_000)
    parser.add_argument("--users", type=int, default=992)
    parser.add_argument("--folder", type=Path, default=Path(".loopback") / "benchmarks")
    parser.add_argument("--baselines", nargs="+", default=CHEAP, choices=list(BASELINES), metavar="ID")
    parser.add_argument("--tuning-users", default="100", help="baselines are tuned on this many users (a run: 500)")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == ["splits"]:
        make_splits(options.folder, options.events, options.users)
        return
    if options.step:
        splits, lists, *name = options.step
        measure_baseline(Path(splits), Path(lists), *name) if name else measure_evaluation(Path(splits), Path(lists))
        return
    size = ["--folder", str(options.folder), "--events", str(options.events), "--users", str(options.users)]
    # In a process too: the peak of a child is never below that of the parent it was forked from.
    in_a_process(*size, "--step", "splits")
    splits = make_splits(options.folder, options.events, options.users)
    lists = options.folder / f"{options.events}-{options.users}" / "lists"
    print(f"{'step':24} {'seconds':>9} {'peak MB':>9} {'others, cores':>14}")
    for name in [*options.baselines, ""]:
        lists.mkdir(parents=True, exist_ok=True)
        row = in_a_process("--step", str(splits), str(lists), *([name, options.tuning_users] if name else []))
        print(
            f"{name or 'evaluation':24} {row['seconds']:9.1f} {row['peak_mb']:9.0f} {row['foreign_cores']:14.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
