"""One family under one seed: trained on train, measured on validation as it is served, and stored for later runs."""

import logging
import time
from pathlib import Path

import numpy as np
import torch

from loopback_core.ablation.kept_trainings import MeasuredTraining
from loopback_core.errors import DivergedError
from loopback_core.lineage.families import FAMILIES
from loopback_core.lineage.lineage_json import FamilyFacts
from loopback_core.lineage.multi_vector_towers import pair_cosines
from loopback_core.lineage.query_cost import bytes_per_track, query_times, share_found
from loopback_core.lineage.retriever import Retriever, fit_towers
from loopback_core.lineage.retriever_files import load_retriever, save_retriever
from loopback_core.recommenders.lists import rank_users
from loopback_core.runtime.threads import compute_threads
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.stages import training_values
from loopback_core.store.digests import digest
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser, per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import official_task
from loopback_core.towers.user import ANYTHING, ONLY_NEW
from loopback_core.training.validation import KS

log = logging.getLogger("loopback")

LINEAGE_METRICS = (MAIN_METRIC, "recall@100")


MeasuredFamily = MeasuredTraining[FamilyFacts]
"""`per_user`: 'task/metric' -> (users,)."""


def family_key(family: str, settings: Settings, splits_digest: str, code: str) -> str:
    """A digest of all that a training and its measuring depend on."""
    values = training_values(settings)
    del values["training"]["preset"]
    values["users"] = settings.evaluation.users
    values["index"] = settings.index.model_dump(mode="json")
    values["lineage"] = settings.lineage.model_dump(mode="json", exclude={"families", "seeds"})
    return digest({"family": family, "splits": splits_digest, "code": code, "threads": compute_threads(), **values})


def measure_family(family: str, splits: Splits, settings: Settings, checkpoints: Path) -> MeasuredFamily:
    """Train a family, and measure it on validation: on all of its users, up to `evaluation.users`, when it begins.

    checkpoints: a folder that outlives a killed run.
    """
    seed, users, tie_seed = settings.training.seed, settings.evaluation.users, settings.evaluation.seed
    validation = FAMILIES[family].validation(splits.tuning_period, settings)
    try:
        model, progression = fit_towers(family, splits.tuning, settings, validation, checkpoints)
    except DivergedError as error:
        log.warning("%s, seed %d: %s", family, seed, error)
        return MeasuredFamily({"seed": seed, "diverged": True, "losses": []}, {})
    started, folder = time.monotonic(), checkpoints / "retriever"
    folder.mkdir(exist_ok=True)
    save_retriever(Retriever.of(family, model, splits.tuning, settings), folder)
    build_seconds = time.monotonic() - started
    retriever = load_retriever(folder)  # what is measured is what would be served
    everybody = [official_task(task.name, splits.tuning_period, users, tie_seed) for task in validation.tasks]
    per_user: PerUser = {f"{task.name}/{metric}": np.zeros(0) for task in everybody for metric in LINEAGE_METRICS}
    for task in (task for task in everybody if len(task.users)):
        ranking = rank_users(_asked(retriever, task), task, max(KS))
        values = per_user_metrics(ranking, task.positives, KS)
        per_user |= {f"{task.name}/{metric}": values[metric] for metric in LINEAGE_METRICS}
    tasks = [task for task in validation.tasks if len(task.users)]  # of fewer users, which are enough for what it costs
    facts: FamilyFacts = {
        "seed": seed,
        "diverged": False,
        "losses": [epoch.loss for epoch in progression.history],
        "best_epoch": progression.best_epoch,
        "seconds": sum(epoch.seconds for epoch in progression.history),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "device": model.device.type,
        "build_seconds": build_seconds,
        "bytes_per_track": bytes_per_track(folder, len(retriever.artist)),
        "share_found": {task.name: share_found(_asked(retriever, task), task) for task in tasks},
        "mean_cosine": _mean_cosine(retriever, tasks),
    }
    if tasks:
        times = query_times(_asked(retriever, tasks[0]), tasks[0], settings.lineage.timed_queries)
        facts |= {"times": times}
    return MeasuredFamily(facts, per_user)


def _asked(retriever: Retriever, task: Task) -> Retriever:
    return retriever.for_intent(ONLY_NEW if task.only_new else ANYTHING)


def _mean_cosine(retriever: Retriever, tasks: list[Task]) -> float | None:
    """Over users and pairs of a user's vectors, where a user has several interests; 1: they have collapsed into one."""
    if not tasks or retriever.model.merge != "max":
        return None
    vectors = torch.from_numpy(_asked(retriever, tasks[0]).embed(tasks[0].histories))
    return float(pair_cosines(vectors).mean()) if vectors.shape[1] > 1 else None
