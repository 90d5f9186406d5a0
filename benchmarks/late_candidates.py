"""Candidates of late interaction: by every vector of a user, by their sum, by both: quality on validation, time of a query.

    uv run python benchmarks/late_candidates.py SPLITS --folder FOLDER [--users N]

SPLITS is a version of the asset `temporal_splits`; FOLDER keeps a retriever of the family `late` that is trained on it
(`benchmarks/late_codes.py` makes one). `found` is the share of the exact list of 100 that the list holds. Times are of one core.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch

from loopback_core.data import Floats
from loopback_core.lineage import retriever as searching
from loopback_core.lineage.late_towers import LateTowers
from loopback_core.lineage.query_cost import query_times, share_found
from loopback_core.lineage.retriever_files import load_retriever
from loopback_core.recommenders.lists import rank_users
from loopback_core.splits import Splits
from loopback_core.tasks.metrics import MAIN_METRIC, per_user_metrics
from loopback_core.tasks.task_builders import official_task
from loopback_core.towers.user import ANYTHING, ONLY_NEW
from loopback_core.training.validation import KS

Searched = Callable[[LateTowers, Floats], Floats]

WAYS: dict[str, tuple[Searched, int]] = {
    "every vector": (lambda _, users: users, 1_000),
    "every vector, 200 each": (lambda _, users: users, 200),
    "their sum, and the first": (lambda _, users: np.stack([users.sum(axis=0), users[0]]), 1_000),
    "their sum": (lambda _, users: users.sum(axis=0, keepdims=True), 1_000),
    "their sum, 2,000": (lambda _, users: users.sum(axis=0, keepdims=True), 2_000),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--users", type=int, default=400)
    given = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    retriever, period = load_retriever(given.folder), Splits(given.splits).tuning_period
    tasks = [official_task(name, period, given.users, 0) for name in ("discovery", "next_listen")]
    columns = [f"{task.name} {what}" for task in tasks for what in (MAIN_METRIC, "recall@100", "found")]
    print(f"| candidates by | {' | '.join(columns)} | p50, ms | p99, ms |")
    print("| --- |" + " ---: |" * (len(columns) + 2))
    for name, (searched, nearest) in WAYS.items():
        LateTowers.searched, searching.NEAREST_OF_VECTOR = searched, nearest  # type: ignore[method-assign]
        cells = []
        for task in tasks:
            asked = retriever.for_intent(ONLY_NEW if task.only_new else ANYTHING)
            values = per_user_metrics(rank_users(asked, task, max(KS)), task.positives, KS)
            cells += [float(values[metric].mean()) for metric in (MAIN_METRIC, "recall@100")] + [
                share_found(asked, task)
            ]
        times = query_times(retriever.for_intent(ONLY_NEW), tasks[0], min(given.users, 60))
        shown = " | ".join(f"{value:.4f}" for value in cells)
        print(f"| {name} | {shown} | {times['p50_ms']:.1f} | {times['p99_ms']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
