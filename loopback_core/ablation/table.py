"""The rows of an ablation: means over seeds and users, and how far each choice is from the recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from loopback_core.ablation.choices import CHOICES
from loopback_core.ablation.measure import MEASURED, METRICS, TASKS, Training
from loopback_core.evaluation.evaluator import compare_over_users, mean_over_users
from loopback_core.settings import RECIPE, EvaluationSettings
from loopback_core.tasks.metrics import PerUser

COSTS = ("best_epoch", "seconds", "targets_per_second", "parameters")


def ablation_rows(
    trainings: Mapping[str, Sequence[Training]], settings: EvaluationSettings
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Users by task, and a row per choice as `ablation.json` holds it.

    trainings: choice -> one per seed; the recipe is among them. A choice that diverged under any seed has no means. The
    interval is that over users of the mean over seeds.
    """
    sound = {choice: runs for choice, runs in trainings.items() if not any(run.diverged for run in runs)}
    users: dict[str, int] = dict.fromkeys(TASKS, 0)
    rows = [_row(choice, runs) for choice, runs in trainings.items()]
    for task in TASKS:
        per_user: dict[str, PerUser | None] = {choice: _over_seeds(runs, task) for choice, runs in sound.items()}
        for of_choice in per_user.values():
            users[task] = len(next(iter((of_choice or {}).values())))
        if not users[task]:
            continue
        means = mean_over_users(per_user, settings)
        paired = _against_the_recipe(per_user, settings)
        for row in rows:
            if found := means.get(row["choice"]):
                row["tasks"][task] = _by_what({name: asdict(mean) for name, mean in found.items()})
                differences = {name: asdict(of) for name, of in paired.get(row["choice"], {}).items()}
                row["paired"][task] = _by_what(differences)
    return users, rows


def _row(choice: str, runs: Sequence[Training]) -> dict[str, Any]:
    preset, overrides = CHOICES[choice]
    costs = {cost: [run.facts[cost] for run in runs if not run.diverged] for cost in COSTS}
    return {
        "choice": choice,
        "preset": preset,
        "overrides": overrides,
        "diverged": [run.facts["seed"] for run in runs if run.diverged],
        "runs": [run.facts for run in runs],
        **{cost: float(np.mean(values)) if values else None for cost, values in costs.items()},
        "tasks": {},
        "paired": {},
    }


def _over_seeds(runs: Sequence[Training], task: str) -> PerUser:
    """'alone or served/metric' -> (users,), the mean of the seeds for each user."""
    names = [f"{what}/{metric}" for what in MEASURED for metric in METRICS]
    return {name: np.mean([run.per_user[f"{task}/{name}"] for run in runs], axis=0) for name in names}


def _against_the_recipe(
    per_user: Mapping[str, PerUser | None], settings: EvaluationSettings
) -> Mapping[str, Mapping[str, Any]]:
    recipe = per_user.get(RECIPE)
    if recipe is None:
        return {}
    differences = {
        choice: {name: values - recipe[name] for name, values in of_choice.items()}
        for choice, of_choice in per_user.items()
        if choice != RECIPE and of_choice is not None
    }
    return compare_over_users(differences, settings)


def _by_what(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """alone or served -> metric -> value."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        what, _, metric = name.partition("/")
        found.setdefault(what, {})[metric] = value
    return found
