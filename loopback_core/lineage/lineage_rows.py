"""The rows of the lineage: means over seeds and users, how far each is from the plain towers, and the Pareto front."""

from collections.abc import Mapping, Sequence

import numpy as np

from loopback_core.evaluation.evaluator import compare_over_users, mean_over_users
from loopback_core.lineage.families import FAMILIES, PLAIN_TOWERS
from loopback_core.lineage.lineage_json import FamilyFacts, FamilyRow
from loopback_core.lineage.measure_family import LINEAGE_METRICS, MeasuredFamily
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser

LINEAGE_TASKS = ("discovery", "next_listen")

COSTS = ("best_epoch", "seconds", "parameters", "build_seconds", "bytes_per_track", "mean_cosine")


def lineage_rows(
    measured: Mapping[str, Sequence[MeasuredFamily]], settings: EvaluationSettings
) -> tuple[dict[str, int], list[FamilyRow]]:
    """Users by task, and a row per family as `lineage.json` holds it.

    measured: family -> one per seed; the plain towers are among them. The interval is that over users of the mean over seeds.
    """
    sound = {name: runs for name, runs in measured.items() if not any(run.facts["diverged"] for run in runs)}
    users, rows = dict.fromkeys(LINEAGE_TASKS, 0), [_row(name, runs) for name, runs in measured.items()]
    for task in LINEAGE_TASKS:
        per_user: dict[str, PerUser | None] = {name: _over_seeds(runs, task) for name, runs in sound.items()}
        for of_family in per_user.values():
            users[task] = len(next(iter((of_family or {}).values())))
        if not users[task]:
            continue
        means = mean_over_users(per_user, settings)
        plain = per_user.get(PLAIN_TOWERS)
        differences = {
            name: {metric: values - plain[metric] for metric, values in of_family.items()}
            for name, of_family in per_user.items()
            if plain is not None and of_family is not None and name != PLAIN_TOWERS
        }
        paired = compare_over_users(differences, settings)
        for row in rows:
            if of_row := means.get(row["family"]):
                row["tasks"][task], row["paired"][task] = of_row, paired.get(row["family"], {})
        mark_front(rows, task)
    return users, rows


def mark_front(rows: Sequence[FamilyRow], task: str) -> None:
    """Say of each row whether no other has a higher nDCG@10 and a p99 that is not longer, or as high and shorter."""
    points: dict[str, tuple[float, float]] = {}
    for row in rows:
        means = row["tasks"].get(task)
        if means and "p99_ms" in row["costs"] and (value := means[MAIN_METRIC]["value"]) is not None:
            points[row["family"]] = (value, row["costs"]["p99_ms"])
    for row in rows:
        if (own := points.get(row["family"])) is not None:
            row["on_front"][task] = not any(
                other != own and other[0] >= own[0] and other[1] <= own[1] for other in points.values()
            )


def _row(name: str, runs: Sequence[MeasuredFamily]) -> FamilyRow:
    family, facts = FAMILIES[name], [run.facts for run in runs if not run.facts["diverged"]]
    return {
        "family": name,
        "title": family.title,
        "overrides": family.overrides,
        "diverged": [run.facts["seed"] for run in runs if run.facts["diverged"]],
        "runs": [run.facts for run in runs],
        "costs": _mean_costs([_numbers(of) for of in facts]),
        "tasks": {},
        "paired": {},
        "on_front": {},
    }


def _numbers(facts: FamilyFacts) -> dict[str, float]:
    numbers = {name: value for name in COSTS if isinstance(value := facts.get(name), int | float)}
    found = {f"share_found, {task}": share for task, share in facts.get("share_found", {}).items()}
    return {**numbers, **facts.get("times", {}), **found}


def _mean_costs(numbers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([of[name] for of in numbers])) for name in numbers[0]} if numbers else {}


def _over_seeds(runs: Sequence[MeasuredFamily], task: str) -> PerUser:
    """metric -> (users,), the mean of the seeds for each user."""
    return {metric: np.mean([run.per_user[f"{task}/{metric}"] for run in runs], axis=0) for metric in LINEAGE_METRICS}
