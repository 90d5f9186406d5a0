"""How good the towers are after an epoch: the tasks of the report, on validation."""

import numpy as np

from loopback_core.data import Floats, Ranking
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import track_content
from loopback_core.ranking.candidates import USERS_AT_ONCE
from loopback_core.retrieval.embed import read_users, track_vectors, user_vectors_of
from loopback_core.retrieval.top_k import no_ranking, tie_order, top_k
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.tasks.metrics import METRICS, PerUser, per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import discovery, next_listen
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, ONLY_NEW, UserInputs

KS = (10, 100)


class Validation:
    """Scores a model, alone, on discovery and next_listen of the tuning phase; called after every epoch.

    Over at most `evaluation.tuning_users` users, whose histories are read once for all epochs.

    Raises:
        SettingsError: `training.validation_metric` is not measured here.
    """

    def __init__(self, splits: Splits, settings: Settings) -> None:
        evaluation = settings.evaluation
        tasks = [discovery(splits.tuning_period), next_listen(splits.tuning_period)]
        self.tasks: list[Task] = [task.sampled(evaluation.tuning_users, evaluation.seed) for task in tasks]
        self.content = track_content(splits.tuning, settings.towers)
        self.tie_rank = tie_order(len(self.content), evaluation.seed)
        self._read: dict[str, list[UserInputs]] = {}
        measured = [f"{task.name}/{metric}@{k}" for task in self.tasks for metric in METRICS for k in KS]
        if (selected := settings.training.validation_metric) not in measured:
            raise SettingsError(f"training.validation_metric is {selected!r}; it must be one of {', '.join(measured)}.")

    def __call__(self, model: TwoTower) -> dict[str, float]:
        """task/metric@K -> mean over users; 0 for a task in which validation has no users to score."""
        vectors = track_vectors(model, self.content)
        values: dict[str, float] = {}
        for task in self.tasks:
            of_task: PerUser = {f"{name}@{k}": np.zeros(1) for name in METRICS for k in KS}
            if len(task.users):
                of_task = per_user_metrics(self._rank(model, task, vectors), task.positives, KS)
            values |= {f"{task.name}/{metric}": float(np.mean(of_users)) for metric, of_users in of_task.items()}
        return values

    def _rank(self, model: TwoTower, task: Task, vectors: Floats) -> Ranking:
        if task.name not in self._read:
            intent = ONLY_NEW if task.only_new else ANYTHING
            self._read[task.name] = list(read_users(model, task.histories, self.content.artist, intent))
        users = user_vectors_of(model, self._read[task.name])
        ranking = no_ranking(len(users), max(KS))
        for start in range(0, len(users), USERS_AT_ONCE):
            rows = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
            exclude = None if task.exclude is None else task.exclude.take(rows)
            best = top_k(users[rows] @ vectors.T, max(KS), self.tie_rank, exclude)
            ranking.tracks[rows], ranking.scores[rows] = best.tracks, best.scores
        return ranking
