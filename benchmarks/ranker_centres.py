"""Weights of the linear ranker that are fitted around others: a single count, or those of other logs. Do they pay for few users?

    uv run python benchmarks/ranker_centres.py HOME [--task next_listen] [--others HOME ...]

HOME: with a trained ranker, such as `.loopback` after the main job; so are the others. The requests are of validation; each third of
the users is ranked by what was fitted on the others. What is fitted is the smooth nDCG@10 of `ranking/refining.py`, with an L2 penalty on
the distance from the centre. The candidates are the first 100 by the ranker of HOME, which has seen all users. `count` is the best
single feature among the plays of a track, chosen on all users: its order needs no weights. Brackets hold the standard error over users of
the difference from it.
"""

import argparse
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from loopback_core.ranking.cross_fitting import error_by_users
from loopback_core.ranking.fitting import FOLDS, bounds_of
from loopback_core.ranking.linear_ranker import FEATURES, TOWERS_ALONE, load_rankers
from loopback_core.ranking.listwise import FeatureWeights, FitRequests, ListwiseLoss, minimum, scale_of, spread_within
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.refining import FIRST_PLACES
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.smooth_ndcg import SmoothNdcg
from loopback_core.ranking.terms.plays_terms import TrackPlaysTerm
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.train import tuned_towers, with_settings_of
from loopback_core.training.train_ranker import TunedTowers, best_of_requests

STRENGTHS = (1.0, 0.1, 0.01, 0.001)
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)


class CrossFit:
    """Requests, and what weights that were fitted on two thirds of the users say of the other third."""

    def __init__(self, requests: RankRequests) -> None:
        self.requests, self.x = requests, requests.linear_features()
        users, self.user = np.unique(requests.user, return_inverse=True)
        self.fold = (np.random.default_rng(0).permutation(len(users)) % FOLDS)[self.user]
        self.spread = spread_within(self.x, requests.lengths)
        self.bounds = bounds_of(TOWERS_ALONE)

    def around(self, centre: FeatureWeights, strength: float, *, softmax_first: bool = False) -> np.ndarray:
        """(requests,) nDCG@10. centre: (F,) standardised. softmax_first: the centre is the fit of the listwise softmax around it."""
        found = np.zeros(len(self.requests))
        start = np.clip(centre, self.bounds.low, self.bounds.high)
        for number in range(FOLDS):
            inside, outside = self.fold != number, self.fold == number
            asked, x = self.requests.where(inside), self.x[np.repeat(inside, self.requests.lengths)]
            of_fold = start
            if softmax_first:
                whole = FitRequests(x, asked.lengths, asked.is_positive, asked.user)
                of_fold = minimum(ListwiseLoss(whole), self.spread, self.bounds, 0.1, start, centre=start)
            loss = SmoothNdcg(asked, x)
            weights = minimum(loss, self.spread, self.bounds, strength, of_fold, centre=of_fold) * scale_of(self.spread)
            others = self.x[np.repeat(outside, self.requests.lengths)]
            found[outside] = self.requests.where(outside).ndcg(others @ weights.astype(np.float32))
        return found

    def of_count(self, name: str) -> FeatureWeights:
        """(F,) that of one feature alone, at the scale with the best smooth nDCG@10."""
        loss, alone = SmoothNdcg(self.requests, self.x), np.zeros(len(FEATURES))
        alone[FEATURES.index(name)] = 1.0
        scale = min(SCALES, key=lambda scale: loss(scale * alone * scale_of(self.spread))[0])
        return scale * alone


def best_candidates(home: Path, task: str) -> RankRequests:
    """Those of the requests of validation, by the ranker of the home."""
    store = ArtifactStore(home)
    ranker = store.latest("trained_ranker")
    towers = store.upstream(ranker, "trained_towers")
    tuned = TunedTowers(
        Splits(store.upstream(towers, "temporal_splits").folder),
        TwoTower.load(tuned_towers(towers.folder)),
        Relations.load(tuned_towers(towers.folder)),
        with_settings_of(Settings(), towers.summary),
    )
    return best_of_requests(tuned, load_rankers(ranker.folder))[0][task].first(FIRST_PLACES)


def main() -> None:
    """Print a line for each centre and strength."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--task", default="next_listen")
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    asked = parser.parse_args()
    requests = best_candidates(asked.home, asked.task)
    fit = CrossFit(requests)
    values = {name: requests.ndcg(fit.x[:, FEATURES.index(name)]) for name in TrackPlaysTerm.features}
    best = max(values, key=lambda name: float(values[name].mean()))
    count = values[best]

    def show(name: str, strength: str, found: np.ndarray) -> None:
        error = error_by_users(found - count, fit.user)
        print(f"{name:40} {strength:>6} {found.mean():.4f} {(found - count).mean():+.4f} [{error:.4f}]", flush=True)

    print(
        f"{len(requests):,} requests of {len(np.unique(requests.user))} users; centre, L2, nDCG@10, against the count"
    )
    show(f"count: {best}", "", count)
    show("the ranker, which has seen these users", "", requests.ndcg(requests.scores))
    with threadpool_limits(1, "blas"):
        nothing = np.zeros(len(FEATURES))
        centres = {"the count": fit.of_count(best)}
        for home in asked.others:
            store = ArtifactStore(home)
            other = load_rankers(store.latest("trained_ranker").folder)[asked.task]
            centres[f"weights of {home.name}"] = other.of_features(FEATURES).astype(np.float64) * fit.spread
        for strength in STRENGTHS:
            show("the softmax, as it is fitted", f"{strength:g}", fit.around(nothing, strength, softmax_first=True))
        for name, centre in centres.items():
            for strength in STRENGTHS:
                show(name, f"{strength:g}", fit.around(centre, strength))


if __name__ == "__main__":
    main()
