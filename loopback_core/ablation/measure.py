"""One choice under one seed: trained on train, measured on validation, and stored for later runs."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopback_core.ablation.kept_trainings import MeasuredTraining
from loopback_core.data import Ids
from loopback_core.errors import DivergedError
from loopback_core.evaluation.ablation_json import TrainingFacts
from loopback_core.ranking.fitting import REQUESTS, LinearFit
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, LinearRanker
from loopback_core.recommenders.lists import rank_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.runtime.threads import compute_threads
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.stages import training_values
from loopback_core.store.digests import digest
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser, per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.training.loop import train
from loopback_core.training.train import bounded, learn_relations
from loopback_core.training.train_ranker import TunedTowers, ValidationMoment, fit_rankers
from loopback_core.training.validation import KS, Validation

log = logging.getLogger("loopback")

ABLATION_TASKS = ("discovery", "next_listen")

MEASURED = {"alone": "the towers alone", "served": "the linear score"}
"""alone or served -> description."""

ABLATION_METRICS = (MAIN_METRIC, "recall@100")


Training = MeasuredTraining[TrainingFacts]
"""`per_user`: 'task/alone or served/metric' -> (users,)."""


def key_of(settings: Settings, splits_digest: str, code: str) -> str:
    """A digest of all that a training and its measuring depend on: the values of the preset, not its name."""
    values = training_values(settings)
    del values["training"]["preset"]
    return digest({"splits": splits_digest, "code": code, "threads": compute_threads(), **values})


def measure_choice(splits: Splits, settings: Settings, checkpoints: Path) -> Training:
    """Train with these settings and measure on validation. checkpoints: a folder that outlives a killed run."""
    settings = bounded(settings, len(splits.train))
    validation, seed = Validation(splits.tuning_period, settings), settings.training.seed
    try:
        model, progression = train(splits.tuning, settings, validation, checkpoints)
    except DivergedError as error:
        log.warning("seed %d: %s", seed, error)
        return Training({"seed": seed, "diverged": True, "losses": []}, {})
    relations = learn_relations(splits.tuning, settings)
    tuned = TunedTowers(splits, model, relations, settings)
    per_user = _per_user(tuned, fit_rankers(tuned, {}))
    history = progression.history
    facts: TrainingFacts = {
        "seed": seed,
        "diverged": False,
        "losses": [epoch.loss for epoch in history],
        "best_epoch": progression.best_epoch,
        "seconds": sum(epoch.seconds for epoch in history),
        "targets_per_second": float(np.mean([epoch.events_per_second for epoch in history])),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "device": model.device.type,
    }
    return Training(facts, per_user)


def _per_user(tuned: TunedTowers, fits: Mapping[str, LinearFit]) -> PerUser:
    """'task/alone or served/metric' -> (users,), the mean over the requests of each user at the moments of validation.

    A user is served by weights that were fitted without them, so that more features do not look better for being more.
    """
    users: dict[str, list[Ids]] = {task: [] for task in ABLATION_TASKS}
    found: dict[str, list[NDArray[np.float64]]] = {}
    for moment in tuned.moments():
        for task, _ in moment.asked(ABLATION_TASKS, REQUESTS):
            name = task.name
            if not len(task.users):
                continue
            users[name].append(task.users)
            for what, of in (("alone", LinearFit(TOWERS_ALONE)), ("served", fits[name])):
                values = _values(moment, task, of, f"{what}, seed {tuned.settings.training.seed}")
                for metric in ABLATION_METRICS:
                    found.setdefault(f"{name}/{what}/{metric}", []).append(values[metric])
    return {
        f"{name}/{what}/{metric}": _means_of_users(users[name], found.get(f"{name}/{what}/{metric}", []))
        for name in ABLATION_TASKS
        for what in MEASURED
        for metric in ABLATION_METRICS
    }


def _values(moment: ValidationMoment, task: Task, fit: LinearFit, shown: str) -> PerUser:
    """metric -> (users,), each user by a ranker that was not fitted on them, where there is one."""
    rankers: tuple[LinearRanker, ...] = (fit.ranker,)
    parts = [np.arange(len(task.users))]
    if fit.without_fold:
        fold = fit.fold_of(task.users, np.random.default_rng(moment.seed))
        rankers, parts = fit.without_fold, [np.flatnonzero(fold == number) for number in range(len(fit.without_fold))]
    values = {metric: np.zeros(len(task.users)) for metric in ABLATION_METRICS}
    for ranker, rows in zip(rankers, parts, strict=True):
        if not len(rows):
            continue
        asked = task.of_rows(rows)
        towers = TowersRecommender(moment.scorer(asked, ranker), moment.seed, shown)
        of_rows = per_user_metrics(rank_users(towers, asked, max(KS)), asked.positives, KS)
        for metric, of in values.items():
            of[rows] = of_rows[metric]
    return values


def _means_of_users(users: Sequence[Ids], values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(distinct users,), ascending by user. users, values: of the requests of each moment."""
    if not users:
        return np.zeros(0)
    _, user = np.unique(np.concatenate(users), return_inverse=True)
    return np.bincount(user, np.concatenate(values)) / np.bincount(user)
