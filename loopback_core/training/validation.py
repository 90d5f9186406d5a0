"""How good the towers are after an epoch: the tasks of the report, on validation."""

import numpy as np

from loopback_core.evaluation.evaluator import rank_users
from loopback_core.evaluation.metrics import per_user_metrics
from loopback_core.evaluation.tasks import Task, discovery, next_listen
from loopback_core.retrieval.embed import track_vectors
from loopback_core.retrieval.recommenders import TowersRecommender
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower

KS = (10, 100)


class Validation:
    """Scores a model on discovery and next_listen of the tuning phase; called after every epoch."""

    def __init__(self, splits: Splits, seed: int) -> None:
        self.tasks: list[Task] = [discovery(splits, "tuning"), next_listen(splits, "tuning")]
        self.seed = seed

    def __call__(self, model: TwoTower) -> dict[str, float]:
        """task/metric@K -> mean over users; 0 for a task in which validation has nobody to score."""
        catalog = self.tasks[0].fit.catalog
        towers = TowersRecommender(model, track_vectors(model, catalog.artist), self.seed)
        values: dict[str, float] = {}
        for task in self.tasks:
            if len(task.users):
                metrics = per_user_metrics(rank_users(towers, task, max(KS)), task.positives, KS)
            else:
                metrics = {f"{name}@{k}": np.zeros(1) for name in ("hit_rate", "recall", "ndcg") for k in KS}
            values |= {f"{task.name}/{metric}": float(np.mean(of_users)) for metric, of_users in metrics.items()}
        return values
