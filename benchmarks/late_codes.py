"""Late interaction with coded vectors against float32: quality on validation, bytes of a track, time of a query.

    uv run python benchmarks/late_codes.py SPLITS --folder FOLDER

SPLITS is a version of the asset `temporal_splits`; FOLDER keeps the towers of the family `late` that are trained on it. They are the
same in every row: only what is kept of the tracks differs. `same@100` is how much of a list of 100 is that of float32. Times are of one core.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.query_cost import query_times
from loopback_core.lineage.retriever import Retriever, fit_retriever
from loopback_core.lineage.retriever_files import RETRIEVER, load_retriever, save_retriever
from loopback_core.recommenders.lists import rank_users
from loopback_core.splits import Splits
from loopback_core.tasks.metrics import MAIN_METRIC, per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.towers.user import ANYTHING, ONLY_NEW
from loopback_core.training.validation import KS

BITS = (0, 4, 2, 1)


def trained(folder: Path, splits: Splits) -> Retriever:
    """That of the folder, or one that is trained on train, its epoch chosen on validation, and kept there."""
    if not (folder / RETRIEVER).exists():
        settings = settings_of_family(FAMILIES["late"], 0)
        validation = FAMILIES["late"].validation(splits.tuning_period, settings)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as checkpoints:
            save_retriever(fit_retriever("late", splits.tuning, settings, validation, Path(checkpoints)), folder)
    return load_retriever(folder)


def coded(retriever: Retriever, splits: Splits, bits: int) -> Retriever:
    """The same towers, with so many bits a dimension in what is kept of the tracks."""
    retriever.model.bits = bits
    return Retriever.of("late", retriever.model, splits.tuning, retriever.settings)


def asked(retriever: Retriever, task: Task) -> Retriever:
    return retriever.for_intent(ONLY_NEW if task.only_new else ANYTHING)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    splits = Splits(given.splits)
    first = trained(given.folder, splits)
    tasks = FAMILIES["late"].validation(splits.tuning_period, first.settings).tasks
    names = " | ".join(f"{task.name} nDCG@10 | recall@100 | same@100" for task in tasks)
    print(f"| bits | bytes a track | {names} | p50, ms | p99, ms |")
    print("| ---: |" + " ---: |" * (3 + 3 * len(tasks)))
    plain: dict[str, np.ndarray] = {}
    for bits in BITS:
        retriever = coded(first, splits, bits)
        cells = [f"{sum(view.n_bytes for view in retriever.views) / len(retriever.artist):,.0f}"]
        for task in tasks:
            ranking = rank_users(asked(retriever, task), task, max(KS))
            values = per_user_metrics(ranking, task.positives, KS)
            before = plain.setdefault(task.name, ranking.tracks)
            same = np.mean([np.isin(old, new).mean() for old, new in zip(before, ranking.tracks, strict=True)])
            cells += [f"{values[metric].mean():.4f}" for metric in (MAIN_METRIC, "recall@100")] + [f"{same:.3f}"]
        times = query_times(asked(retriever, tasks[0]), tasks[0], given.queries)
        cells += [f"{times['p50_ms']:.1f}", f"{times['p99_ms']:.1f}"]
        print(f"| {bits or 'float32'} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
