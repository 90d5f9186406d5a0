"""How good the towers are after an epoch: the tasks of the report, on validation."""

import numpy as np

from loopback_core.data import Floats, Ranking
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import track_content
from loopback_core.retrieval.embed import read_users, track_vectors, user_vectors_of
from loopback_core.retrieval.top_k import USERS_AT_ONCE, no_ranking, tie_order, top_k
from loopback_core.settings import Settings
from loopback_core.tasks.metrics import METRICS, PerUser, per_user_metrics
from loopback_core.tasks.moments import moments_of_validation
from loopback_core.tasks.period import Period
from loopback_core.tasks.task import Task
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, ONLY_NEW, UserInputs
from loopback_core.training.requests import FEW_REPEATS

KS = (10, 100)

EVERY_TASK = "tasks"
"""Stands in the name of a metric for the geometric mean over the tasks, so that no task outweighs the other."""

SMALLEST = 1e-4
"""A mean below this counts as this much: one task without a hit does not hide the other."""


class Validation:
    """Scores a model, alone, on discovery and next_listen of the tuning phase; called after every epoch.

    Over at most `evaluation.tuning_users` users, of few users at several moments. Histories are read once for all epochs.

    Raises:
        SettingsError: `training.validation_metric` is not measured here.
    """

    def __init__(self, period: Period, settings: Settings) -> None:
        """period: what is scored; what is known at its beginning is what the model was trained on."""
        evaluation = settings.evaluation
        self._asked = {
            name: [
                task.sampled(evaluation.tuning_users, evaluation.seed)
                for task in moments_of_validation(period, name, evaluation.tuning_users)
            ]
            for name in ("discovery", "next_listen")
        }
        self.tasks: list[Task] = [moments[0] for moments in self._asked.values()]
        self.content = track_content(period.fit, settings.towers)
        self.tie_rank = tie_order(len(self.content), evaluation.seed)
        self._read: dict[int, list[UserInputs]] = {}  # by place among all tasks at all moments
        of = [*(task.name for task in self.tasks), EVERY_TASK]
        measured = [f"{task}/{metric}@{k}" for task in of for metric in METRICS for k in KS]
        if (selected := settings.training.validation_metric) not in measured:
            raise SettingsError(f"training.validation_metric is {selected!r}; it must be one of {', '.join(measured)}.")

    def __call__(self, model: TwoTower) -> dict[str, float]:
        """task/metric@K -> mean over requests; 0 for a task in which validation has no users to score.

        EVERY_TASK/metric@K: their geometric mean over the tasks that have users, but for next_listen where nothing is
        played again: to rank what was played is no merit there.
        """
        vectors, place = self.encode_tracks(model), 0
        values: dict[str, float] = {}
        for name, moments in self._asked.items():
            found: list[PerUser] = []
            for task in moments:
                if len(task.users):
                    found.append(per_user_metrics(self._rank(model, task, place, vectors), task.positives, KS))
                place += 1
            for metric in [f"{of}@{k}" for of in METRICS for k in KS]:
                of_requests = [of[metric] for of in found] or [np.zeros(1)]
                values[f"{name}/{metric}"] = float(np.mean(np.concatenate(of_requests)))
        scored = [name for name, moments in self._asked.items() if any(len(task.users) for task in moments)]
        if self._share_of_repeats() < FEW_REPEATS and "discovery" in scored:
            scored = ["discovery"]
        for metric in [f"{of}@{k}" for of in METRICS for k in KS]:
            of_tasks = np.maximum([values[f"{task}/{metric}"] for task in scored] or [0.0], SMALLEST)
            values[f"{EVERY_TASK}/{metric}"] = float(np.exp(np.mean(np.log(of_tasks))))
        return values

    def encode_tracks(self, model: TwoTower) -> Floats:
        """What is kept of every track of the catalog; its first dimension is that of the tracks."""
        return track_vectors(model, self.content)

    def encode_users(self, model: TwoTower, batches: list[UserInputs]) -> Floats:
        """What is kept of users; the first dimension is theirs."""
        return user_vectors_of(model, batches)

    def scores(self, users: Floats, tracks: Floats) -> Floats:
        """(rows, n_tracks) of some of these users."""
        products: Floats = users @ tracks.T
        return products

    def _share_of_repeats(self) -> float:
        """Of the positives of next_listen those that the user had played before."""
        new, anything = (len(task.positives.values) for task in self.tasks)
        return 1 - new / max(anything, 1)

    def _rank(self, model: TwoTower, task: Task, place: int, vectors: Floats) -> Ranking:
        if place not in self._read:
            intent = ONLY_NEW if task.only_new else ANYTHING
            self._read[place] = list(read_users(model, task.histories, self.content.artist, intent))
        users = self.encode_users(model, self._read[place])
        ranking = no_ranking(len(users), max(KS))
        for start in range(0, len(users), USERS_AT_ONCE):
            rows = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
            exclude = None if task.exclude is None else task.exclude.take(rows)
            best = top_k(self.scores(users[rows], vectors), max(KS), self.tie_rank, exclude)
            ranking.tracks[rows], ranking.scores[rows] = best.tracks, best.scores
        return ranking
