"""One choice under one seed: trained on train, measured on validation, and stored for later runs."""

import logging
from pathlib import Path

import numpy as np

from loopback_core.ablation.kept_trainings import MeasuredTraining
from loopback_core.errors import DivergedError
from loopback_core.evaluation.ablation_json import TrainingFacts
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.ranking.scorer import scorer_of
from loopback_core.recommenders.lists import rank_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.runtime.threads import compute_threads
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.stages import training_values
from loopback_core.store.digests import digest
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser, per_user_metrics
from loopback_core.training.loop import train
from loopback_core.training.train import learn_relations
from loopback_core.training.train_ranker import TunedTowers, fit_rankers
from loopback_core.training.validation import KS, Validation

log = logging.getLogger("loopback")

ABLATION_TASKS = ("discovery", "next_listen")

MEASURED = {"alone": "the towers alone", "served": "what is served"}
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
    validation, seed = Validation(splits.tuning_period, settings), settings.training.seed
    try:
        model, progression = train(splits.tuning, settings, validation, checkpoints)
    except DivergedError as error:
        log.warning("seed %d: %s", seed, error)
        return Training({"seed": seed, "diverged": True, "losses": []}, {})
    relations = learn_relations(splits.tuning, settings)
    tuned = TunedTowers(splits, model, relations, settings)
    fits, vectors = fit_rankers(tuned, {}), tuned.vectors
    per_user: PerUser = {}
    for task in validation.tasks:
        for what, ranker in {"alone": TOWERS_ALONE, "served": fits[task.name].ranker}.items():
            values: PerUser = {metric: np.zeros(0) for metric in ABLATION_METRICS}  # when no user can be scored
            if len(task.users):
                towers = TowersRecommender(
                    scorer_of(task, model, ranker, vectors, relations), settings.evaluation.seed, f"{what}, seed {seed}"
                )
                values = per_user_metrics(rank_users(towers, task, max(KS)), task.positives, KS)
            per_user |= {f"{task.name}/{what}/{metric}": values[metric] for metric in ABLATION_METRICS}
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
