"""Trees as a corrector: gradient boosting that begins at the linear score, by the gradient of its LambdaRank loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import RANK_FEATURES, BestCandidates
from loopback_core.ranking.cross_fitting import Fitting, Method
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.tree_ranker import TreeRanker, lightgbm
from loopback_core.runtime.threads import compute_threads

PARAMETERS: Mapping[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 30,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 10.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class TreeFitting(Fitting):
    """Trees, of which more can be added."""

    def __init__(self, requests: RankRequests, seed: int) -> None:
        library = lightgbm()
        data = library.Dataset(
            requests.features,
            requests.is_positive.astype(np.int8),
            group=requests.lengths,
            init_score=requests.scores.astype(np.float64),
        )
        self._threads = compute_threads()["torch"]
        self._booster = library.Booster({**PARAMETERS, "seed": seed, "num_threads": self._threads}, data)

    def advance(self, steps: int) -> None:
        """See :class:`Fitting`."""
        while self._booster.current_iteration() < steps:
            self._booster.update()

    def corrected(self, best: BestCandidates, steps: int) -> Floats:
        """See :class:`Fitting`."""
        corrections = self._booster.predict(best.features, num_iteration=steps, num_threads=self._threads)
        corrected: Floats = (best.scores + corrections).astype(np.float32)
        return corrected

    def corrector(self, steps: int, places: int) -> TreeRanker:
        """See :class:`Fitting`."""
        return TreeRanker(self._booster.model_to_string(num_iteration=steps), places)

    def gains(self) -> dict[str, float]:
        """See :class:`Fitting`."""
        gains = self._booster.feature_importance("gain")
        return dict(zip(RANK_FEATURES, (gains / max(gains.sum(), 1e-9)).tolist(), strict=True))


class Trees(Method):
    """LambdaMART (Burges 2010) by LightGBM (Ke et al. 2017); a step is a tree."""

    kind = "lightgbm"
    steps = (10, 20, 40, 70, 100, 150, 200, 300)

    def begin(self, requests: RankRequests, seed: int) -> TreeFitting:
        """See :class:`Method`."""
        return TreeFitting(requests, seed)
