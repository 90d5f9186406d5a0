"""The ablation step: every choice under every seed, then the table, the text and the picture."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loopback_core.ablation.choices import Choice
from loopback_core.ablation.kept_trainings import KeptTrainings
from loopback_core.ablation.measure import ABLATION_TASKS, key_of, measure_choice
from loopback_core.ablation.table import ablation_rows
from loopback_core.evaluation.ablation_json import Ablation, write_ablation
from loopback_core.reporting.plots import plot_ablation
from loopback_core.reporting.report.ablation_section import ablation_text
from loopback_core.settings import RECIPE, Settings
from loopback_core.splits import Splits
from loopback_core.store.source_code import code_digest
from loopback_core.tasks.metrics import MAIN_METRIC


def run_ablation(
    splits: Splits,
    version: str,
    bytes_digest: str,
    choices: Mapping[str, Choice],
    plan: Mapping[str, Sequence[Settings]],
    recipe_of_log: str,
    kept: Path,
    checkpoints: Path,
    folder: Path,
    verify: Callable[[], None],
) -> dict[str, int]:
    """Write `ablation.json`, `ablation.md` and `ablation.png` into `folder`; returns a summary. Test is never read.

    version: that of the splits. bytes_digest: that of their files. plan: name of one of the choices -> its settings, one for each seed.
    recipe_of_log: the name of what the search of the log chose; empty: there was none.
    kept: a folder where each training is stored as soon as it is finished, for later runs. checkpoints: one that
    outlives a killed run. verify: raises when the splits were damaged meanwhile, before a training is kept.
    """
    code = code_digest("ablation.measure")  # an edit of the table must not train again
    trainings, reused = KeptTrainings(kept, checkpoints, verify).load_or_make_all(
        "ablation",
        plan,
        lambda _, settings: key_of(settings, bytes_digest, code),
        lambda _, settings, unfinished: measure_choice(splits, settings, unfinished),
        {task: f"{task}/served/{MAIN_METRIC}" for task in ABLATION_TASKS},
    )
    settings_of_evaluation = next(iter(plan.values()))[0].evaluation
    users, rows = ablation_rows(trainings, choices, settings_of_evaluation)
    ablation: Ablation = {
        "schema": 1,
        "versions": {"temporal_splits": version},
        "recipe": RECIPE,
        "of_log": recipe_of_log,
        "seeds": [settings.training.seed for settings in next(iter(plan.values()))],
        "resamples": settings_of_evaluation.resamples,
        "users": users,
        "rows": rows,
    }
    write_ablation(ablation, folder)
    plot_ablation(ablation, folder / "ablation.png")
    (folder / "ablation.md").write_text("\n\n".join(["# Ablation", *ablation_text(ablation)]) + "\n", "utf-8")
    return {"choices": len(plan), "trainings": sum(map(len, plan.values())), "found": reused}
