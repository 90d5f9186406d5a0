"""The ablation step: every choice under every seed, then the table, the text and the picture."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from loopback_core.ablation.measure import ABLATION_TASKS, Training, key_of, load_or_train
from loopback_core.ablation.table import ablation_rows
from loopback_core.evaluation.ablation_json import Ablation, write_ablation
from loopback_core.reporting.plots import plot_ablation
from loopback_core.reporting.report.ablation_section import ablation_text
from loopback_core.runtime.progress import progress
from loopback_core.settings import RECIPE, Settings
from loopback_core.splits import Splits
from loopback_core.store.source_code import code_digest
from loopback_core.tasks.metrics import MAIN_METRIC

log = logging.getLogger("loopback")


def run_ablation(
    splits: Splits,
    version: str,
    bytes_digest: str,
    plan: Mapping[str, Sequence[Settings]],
    kept: Path,
    checkpoints: Path,
    folder: Path,
    verify: Callable[[], None],
) -> dict[str, int]:
    """Write `ablation.json`, `ablation.md` and `ablation.png` into `folder`; returns a summary. Test is never read.

    version: that of the splits. bytes_digest: that of their files. plan: choice -> its settings, one for each seed.
    kept: a folder where each training is stored as soon as it is finished, for later runs. checkpoints: one that
    outlives a killed run. verify: raises when the splits were damaged meanwhile, before a training is kept.
    """
    code = code_digest("ablation.measure")  # an edit of the table must not train again
    trainings: dict[str, list[Training]] = {choice: [] for choice in plan}
    reused = 0
    with progress("ablation", sum(map(len, plan.values())), "trainings") as shown:
        for choice, settings_by_seed in plan.items():
            for settings in settings_by_seed:
                key = key_of(settings, bytes_digest, code)
                training, was_kept = load_or_train(splits, settings, key, kept, checkpoints, verify)
                reused += was_kept
                trainings[choice].append(training)
                log.info("%s, seed %d: %s%s", choice, settings.training.seed, _result(training), ", kept" * was_kept)
                shown.advance(note=choice)
    settings_of_evaluation = next(iter(plan.values()))[0].evaluation
    users, rows = ablation_rows(trainings, settings_of_evaluation)
    ablation: Ablation = {
        "schema": 1,
        "versions": {"temporal_splits": version},
        "recipe": RECIPE,
        "seeds": [settings.training.seed for settings in next(iter(plan.values()))],
        "resamples": settings_of_evaluation.resamples,
        "users": users,
        "rows": rows,
    }
    write_ablation(ablation, folder)
    plot_ablation(ablation, folder / "ablation.png")
    (folder / "ablation.md").write_text("\n\n".join(["# Ablation", *ablation_text(ablation)]) + "\n", "utf-8")
    return {"choices": len(plan), "trainings": sum(map(len, plan.values())), "found": reused}


def _result(training: Training) -> str:
    if training.diverged:
        return "the loss diverged"
    served = {task: training.per_user[f"{task}/served/{MAIN_METRIC}"] for task in ABLATION_TASKS}
    return (
        ", ".join(f"{task} {np.mean(values):.4f}" for task, values in served.items() if len(values))
        or "no user could be scored"
    )
