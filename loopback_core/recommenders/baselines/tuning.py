"""Hyperparameters of the baselines, chosen per task on validation."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopback_core.data import Ragged
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.lists import blocks_of_users, gather
from loopback_core.recommenders.tuned_json import TunedJson
from loopback_core.tasks.metrics import MAIN_METRIC, per_user_metrics
from loopback_core.tasks.task import Task

log = logging.getLogger("loopback")

BaselineSettings = dict[str, Any]
"""Hyperparameter -> value, a number or a word."""

TUNING_ROUNDS = 2
"""The second round tries each hyperparameter again with the best values of those after it; known points are free."""

CUTOFF = int(MAIN_METRIC.partition("@")[2])


@dataclass(frozen=True)
class Trial:
    """One point of a grid and its validation score."""

    settings: BaselineSettings
    score: float  # nDCG@10


@dataclass(frozen=True)
class Tuned:
    """A baseline with the settings that were best on validation in one task."""

    baseline: type[Baseline]
    settings: BaselineSettings
    trials: list[Trial]  # empty when validation has no user to score

    @property
    def score(self) -> float | None:
        """The best nDCG@10 on validation."""
        return max((trial.score for trial in self.trials), default=None)

    def as_json(self) -> TunedJson:
        """The grid, the settings and score of the best point, and every trial."""
        grid = {name: list(values) for name, values in self.baseline.grid.items()}
        tried = [{"settings": trial.settings, MAIN_METRIC: trial.score} for trial in self.trials]
        return {"grid": grid, "settings": self.settings, "ndcg@10": self.score, "trials": tried}


def tune(baseline: type[Baseline], tasks: Sequence[Task], seed: int, most: int = 0) -> dict[str, Tuned]:
    """Search the baseline's grid on tasks of 'tuning'; task name -> the best settings.

    Tasks of one name are moments of one task: all are asked of the baseline that is fitted to the first of them all,
    and a point's score is the mean over their requests.

    One hyperparameter at a time, the others at the best so far, in the order of the grid and from the first value of
    each, twice over: the number of fits is about the sum of the grid's lengths, not their product. Every point that is
    visited for one task is scored in all, since fitting is what takes the time. Of equal points the first wins.
    most: the maximal number of points; 0: no limit.
    """
    search, started = _Search(baseline, [task for task in tasks if len(task.users)], seed, most), time.monotonic()
    for name in search.moments:
        search.visit(name)
    names = dict.fromkeys(task.name for task in tasks)
    tuned_by_task = {name: Tuned(baseline, search.best(name), search.trials(name)) for name in names}
    scores = ", ".join(f"{name} {tuned.score:.4f}" for name, tuned in tuned_by_task.items() if tuned.score is not None)
    seconds = time.monotonic() - started
    log.info(
        "%s: %s on validation, %d trials in %.1f s", baseline.id, scores or "nothing", len(search.visited), seconds
    )
    return tuned_by_task


class _Search:
    """The points of a grid that were visited, in that order, and the score of each in every task."""

    def __init__(self, baseline: type[Baseline], tasks: list[Task], seed: int, most: int) -> None:
        self.baseline, self.seed, self.most = baseline, seed, most
        self.moments: dict[str, list[Task]] = {}  # by task
        for task in tasks:
            self.moments.setdefault(task.name, []).append(task)
        self.visited: list[tuple[BaselineSettings, Mapping[str, float]]] = []
        self._fitted: tuple[BaselineSettings, Baseline] | None = None
        # task -> by moment and block the prepared histories and the exclusions
        self._prepared: dict[str, list[list[tuple[Any, Ragged | None]]]] = {}

    def visit(self, task: str) -> None:
        """Search for the best point of one task."""
        best = {name: values[0] for name, values in self.baseline.grid.items()}
        self._score(best)
        for name, values in [*self.baseline.grid.items()] * TUNING_ROUNDS:
            best[name] = max(values, key=lambda value: self._score({**best, name: value})[task])

    def best(self, task: str) -> BaselineSettings:
        """The settings with the best score; the constructor's defaults where no user could be scored."""
        return max(self.trials(task), key=lambda trial: trial.score, default=Trial({}, 0)).settings

    def trials(self, task: str) -> list[Trial]:
        """Every visited point, as scored in one task."""
        return [Trial(settings, scores[task]) for settings, scores in self.visited if task in scores]

    def _score(self, settings: BaselineSettings) -> Mapping[str, float]:
        for known, scores in self.visited:
            if known == settings:
                return scores
        if self.most and len(self.visited) >= self.most:
            return dict.fromkeys(self.moments, -np.inf)
        fitted = self._fit(settings)
        scores = {name: self._ndcg(fitted, moments) for name, moments in self.moments.items()}
        self.visited.append((dict(settings), scores))
        return scores

    def _fit(self, settings: BaselineSettings) -> Baseline:
        """A baseline of these settings; the last one that was fitted, when it differs in nothing that fitting reads."""
        fit_settings = {name: value for name, value in settings.items() if name not in self.baseline.ranking_only}
        if self._fitted is None or self._fitted[0] != fit_settings:
            self._fitted, self._prepared = None, {}  # only one model is held in memory
            first = next(iter(self.moments.values()))[0]
            self._fitted = fit_settings, self.baseline(**settings, seed=self.seed).fit_for(first)
        fitted = copy(self._fitted[1])
        for name in self.baseline.ranking_only:
            setattr(fitted, name, settings[name])
        return fitted

    def _ndcg(self, fitted: Baseline, moments: Sequence[Task]) -> float:
        name = moments[0].name
        if name not in self._prepared:
            self._prepared[name] = [
                [(fitted.prepare(histories), exclude) for histories, exclude in blocks_of_users(task)]
                for task in moments
            ]
        values = []
        for task, blocks in zip(moments, self._prepared[name], strict=True):
            lists = (fitted.rank(prepared, CUTOFF, exclude) for prepared, exclude in blocks)
            ranking = gather(lists, task, CUTOFF, fitted.id)
            values.append(per_user_metrics(ranking, task.positives, [CUTOFF])[MAIN_METRIC])
        return float(np.mean(np.concatenate(values)))


def choose_rival(tuned: Iterable[Tuned]) -> str | None:
    """Id of the baseline with the best validation score; None when nothing could be scored."""
    scored = [(candidate.score, candidate.baseline.id) for candidate in tuned if candidate.score is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None
