"""The rows of an ablation: means over seeds and users, and how far each choice is from the recipe."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from loopback_core.ablation.choices import Choice
from loopback_core.ablation.measure import ABLATION_METRICS, ABLATION_TASKS, MEASURED, Training
from loopback_core.evaluation.ablation_json import AblationRow
from loopback_core.evaluation.evaluation_json import Comparisons
from loopback_core.evaluation.evaluator import compare_over_users, mean_over_users
from loopback_core.settings import RECIPE, EvaluationSettings
from loopback_core.tasks.metrics import PerUser

Value = TypeVar("Value")


def ablation_rows(
    trainings: Mapping[str, Sequence[Training]], choices: Mapping[str, Choice], settings: EvaluationSettings
) -> tuple[dict[str, int], list[AblationRow]]:
    """Users by task, and a row per choice as `ablation.json` holds it.

    trainings: choice -> one per seed; the recipe is among them. A choice that diverged under any seed has no means. The
    interval is that over users of the mean over seeds.
    """
    sound = {choice: runs for choice, runs in trainings.items() if not any(run.diverged for run in runs)}
    users: dict[str, int] = dict.fromkeys(ABLATION_TASKS, 0)
    rows = [_row(choice, choices[choice], runs) for choice, runs in trainings.items()]
    for task in ABLATION_TASKS:
        per_user: dict[str, PerUser | None] = {choice: _over_seeds(runs, task) for choice, runs in sound.items()}
        for of_choice in per_user.values():
            users[task] = len(next(iter((of_choice or {}).values())))
        if not users[task]:
            continue
        means = mean_over_users(per_user, settings)
        paired = _against_the_recipe(per_user, settings)
        for row in rows:
            if of_row := means.get(row["choice"]):
                row["tasks"][task] = _by_what(of_row)
                row["paired"][task] = _by_what(paired.get(row["choice"], {}))
    return users, rows


def _row(name: str, choice: Choice, runs: Sequence[Training]) -> AblationRow:
    facts = [run.facts for run in runs if not run.diverged]
    return {
        "choice": name,
        "preset": choice.preset,
        "overrides": choice.changes,
        "diverged": [run.facts["seed"] for run in runs if run.diverged],
        "runs": [run.facts for run in runs],
        "best_epoch": _mean([one["best_epoch"] for one in facts]),
        "seconds": _mean([one["seconds"] for one in facts]),
        "targets_per_second": _mean([one["targets_per_second"] for one in facts]),
        "parameters": _mean([one["parameters"] for one in facts]),
        "tasks": {},
        "paired": {},
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _over_seeds(runs: Sequence[Training], task: str) -> PerUser:
    """'alone or served/metric' -> (users,), the mean of the seeds for each user."""
    names = [f"{what}/{metric}" for what in MEASURED for metric in ABLATION_METRICS]
    return {name: np.mean([run.per_user[f"{task}/{name}"] for run in runs], axis=0) for name in names}


def _against_the_recipe(per_user: Mapping[str, PerUser | None], settings: EvaluationSettings) -> Comparisons:
    recipe = per_user.get(RECIPE)
    if recipe is None:
        return {}
    differences = {
        choice: {name: values - recipe[name] for name, values in of_choice.items()}
        for choice, of_choice in per_user.items()
        if choice != RECIPE and of_choice is not None
    }
    return compare_over_users(differences, settings)


def _by_what(values: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """'alone or served/metric' -> value, as alone or served -> metric -> value."""
    table: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        what, _, metric = name.partition("/")
        table.setdefault(what, {})[metric] = value
    return table
