"""What the service finds of the best tracks: lists through the index, the head of the catalog and the prior, beside exact ones.

    uv run python benchmarks/candidate_search.py HOME [--users N]

HOME holds a chain up to `faiss_index`, such as that of `full_size.py`. For each task that candidates are the catalog of: the share
of the 10, 100 and 1,000 best tracks by the linear score that is found, over users drawn by seed, and milliseconds for each.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from loopback_core.recommenders.bundle import Bundle
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.tasks.task_builders import TASKS

DEPTH, CUTOFFS = 1_000, (10, 100, 1_000)


def main() -> None:
    """Print a line for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--users", type=int, default=64)
    asked = parser.parse_args()
    store = ArtifactStore(asked.home)
    index = store.latest("faiss_index")
    splits = Splits(store.upstream(index, "temporal_splits").folder)
    bundle = Bundle.open(asked.home)
    print(f"{len(bundle.vectors):,} tracks, index {bundle.index.kind}, recall@100 {index.summary['recall@100']:.4f}")
    period = splits.testing_period.drawn(asked.users, 0)
    for name in ("discovery", "next_listen"):
        task, through_index = TASKS[name](period), bundle.retriever(name)
        users = through_index.scorer.encode(task.histories)
        through_index.rank(users, DEPTH, task.exclude)  # reads what it needs
        started = time.perf_counter()
        found = through_index.rank(users, DEPTH, task.exclude).tracks
        each = 1e3 * (time.perf_counter() - started) / len(found)
        exact = TowersRecommender(through_index.scorer, 0).rank(users, DEPTH, task.exclude).tracks
        shares = [
            np.mean([np.isin(one[:k], other[:k]).mean() for one, other in zip(exact, found, strict=True)])
            for k in CUTOFFS
        ]
        said = ", ".join(f"{share:.4f} of the {k:,} best" for share, k in zip(shares, CUTOFFS, strict=True))
        print(f"{name}: {len(found)} users, {said}, {each:.1f} ms each")


if __name__ == "__main__":
    main()
