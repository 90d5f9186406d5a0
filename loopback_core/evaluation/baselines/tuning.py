"""Hyperparameters of the baselines, chosen per task on validation."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from loopback_core.data import FitData
from loopback_core.evaluation.baselines.baseline import Baseline
from loopback_core.evaluation.evaluator import rank_users
from loopback_core.evaluation.metrics import MAIN_METRIC, per_user_metrics
from loopback_core.evaluation.tasks import Task

BaselineSettings = dict[str, Any]
"""Hyperparameter -> value, a number or a word."""

CUTOFF = int(MAIN_METRIC.partition("@")[2])


@dataclass(frozen=True)
class Trial:
    """One point of a grid and its validation score."""

    settings: BaselineSettings
    score: float  # nDCG@10


@dataclass(frozen=True)
class Tuned:
    """A baseline with the settings that were best on validation."""

    baseline: type[Baseline]
    settings: BaselineSettings
    trials: list[Trial]  # empty when validation has no user to score

    @property
    def score(self) -> float | None:
        """The best nDCG@10 on validation."""
        return max((trial.score for trial in self.trials), default=None)

    def fit(self, data: FitData, seed: int) -> Baseline:
        """The baseline with the chosen settings, fitted on `data`."""
        return self.baseline(**self.settings, seed=seed).fit(data)

    def as_json(self) -> dict[str, Any]:
        """The choice and everything that was tried."""
        tried = [{"settings": trial.settings, MAIN_METRIC: trial.score} for trial in self.trials]
        return {"settings": self.settings, MAIN_METRIC: self.score, "trials": tried}


def tune(baseline: type[Baseline], task: Task, seed: int) -> Tuned:
    """Try every point of the baseline's grid on a task of the phase 'tuning'; of equals the first wins."""
    if not len(task.users):
        return Tuned(baseline, {}, [])  # the defaults of its constructor
    points = [dict(zip(baseline.grid, point, strict=True)) for point in product(*baseline.grid.values())]
    trials = []
    for settings in points:
        ranking = rank_users(baseline(**settings, seed=seed).fit(task.fit), task, CUTOFF)
        values = per_user_metrics(ranking, task.positives, [CUTOFF])[MAIN_METRIC]
        trials.append(Trial(settings, float(np.mean(values))))
    return Tuned(baseline, max(trials, key=lambda trial: trial.score).settings, trials)


def choose_rival(tuned: Iterable[Tuned]) -> str | None:
    """Id of the baseline with the best validation score; None when nothing could be scored."""
    scored = [(candidate.score, candidate.baseline.id) for candidate in tuned if candidate.score is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None
