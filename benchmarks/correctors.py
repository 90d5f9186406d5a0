"""What correctors of the linear score change on other users: trees, and a cross-encoder with and without what trees teach it.

    uv run python benchmarks/correctors.py HOME [--task next_listen] [--requests 1200] [--taught 0 0.5 0.9]

HOME: with a trained ranker, such as `.loopback` after the main job. The requests are of validation; each third of the users is
ranked by what was fitted on the others. Brackets hold the standard error over users.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopback_core.ranking import cross_encoder_fitting
from loopback_core.ranking.cross_encoder_fitting import CrossEncoding
from loopback_core.ranking.cross_fitting import Method, error_by_users
from loopback_core.ranking.fitting import FOLDS
from loopback_core.ranking.linear_ranker import load_rankers
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.tree_fitting import Trees
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.train import tuned_towers, with_settings_of
from loopback_core.training.train_ranker import TunedTowers, best_of_requests


def show(name: str, method: Method, requests: RankRequests, steps: Sequence[int]) -> None:
    """Print what is changed after each number of steps."""
    users, user = np.unique(requests.user, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(users)) % FOLDS)[user]
    linear = requests.ndcg(requests.scores)
    fits = [method.begin(requests.where(fold != number), 0) for number in range(FOLDS)]
    for made in steps:
        changed = np.zeros(len(requests))
        for number, fitting in enumerate(fits):
            fitting.advance(made)
            outside = requests.where(fold == number)
            changed[fold == number] = outside.ndcg(fitting.corrected(outside, made)) - linear[fold == number]
        print(f"{name:30} {made:4} steps {changed.mean():+.4f} [{error_by_users(changed, user):.4f}]", flush=True)


def main() -> None:
    """Print a line for each corrector and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--task", default="next_listen")
    parser.add_argument("--requests", type=int, default=1200)
    parser.add_argument("--taught", type=float, nargs="*", default=[0.0, 0.5, 0.9])
    asked = parser.parse_args()
    store = ArtifactStore(asked.home)
    ranker = store.latest("trained_ranker")
    towers = store.upstream(ranker, "trained_towers")
    settings = with_settings_of(Settings(), towers.summary)
    settings = settings.model_copy(update={"ranking": settings.ranking.model_copy(update={"requests": asked.requests})})
    tuned = TunedTowers(
        Splits(store.upstream(towers, "temporal_splits").folder),
        TwoTower.load(tuned_towers(towers.folder)),
        Relations.load(tuned_towers(towers.folder)),
        settings,
    )
    requests = best_of_requests(tuned, load_rankers(ranker.folder))[0][asked.task]
    print(f"{len(requests):,} requests, nDCG@10 {requests.ndcg(requests.scores).mean():.4f} by the linear score")
    show("trees", Trees(), requests, (50, 100, 200))
    for share in asked.taught:
        cross_encoder_fitting.TAUGHT = share
        show(f"cross-encoder, taught {share:g}", CrossEncoding(tuned.vectors), requests, (2, 4, 6, 8, 12))


if __name__ == "__main__":
    main()
