"""How good the towers are after an epoch: the tasks of the report, on validation."""

import numpy as np

from loopback_core.errors import SettingsError
from loopback_core.evaluation.evaluator import rank_users
from loopback_core.evaluation.metrics import METRICS, per_user_metrics
from loopback_core.evaluation.serving import serve
from loopback_core.evaluation.tasks import Task, discovery, next_listen
from loopback_core.features.content import track_content
from loopback_core.retrieval.embed import track_vectors
from loopback_core.retrieval.recommenders import TowersRecommender
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower

KS = (10, 100)


class Validation:
    """Scores a model on discovery and next_listen of the tuning phase; called after every epoch.

    Raises:
        SettingsError: `training.validation_metric` is nothing that is measured here.
    """

    def __init__(self, splits: Splits, settings: Settings) -> None:
        self.tasks: list[Task] = [discovery(splits, "tuning"), next_listen(splits, "tuning")]
        self.seed = settings.evaluation.seed
        self.content = track_content(splits.tuning, settings.towers)
        known = [f"{task.name}/{metric}@{k}" for task in self.tasks for metric in METRICS for k in KS]
        if (asked := settings.training.validation_metric) not in known:
            raise SettingsError(f"training.validation_metric is {asked!r}; it must be one of {', '.join(known)}.")

    def __call__(self, model: TwoTower) -> dict[str, float]:
        """task/metric@K -> mean over users; 0 for a task in which validation has nobody to score."""
        vectors = track_vectors(model, self.content)
        values: dict[str, float] = {}
        for task in self.tasks:
            towers = TowersRecommender(serve(model, task, vectors=vectors), self.seed)
            if len(task.users):
                metrics = per_user_metrics(rank_users(towers, task, max(KS)), task.positives, KS)
            else:
                metrics = {f"{name}@{k}": np.zeros(1) for name in METRICS for k in KS}
            values |= {f"{task.name}/{metric}": float(np.mean(of_users)) for metric, of_users in metrics.items()}
        return values
