"""What each choice of the recipe is worth. No part of the chain: it trains dozens of towers."""

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.stages import training_values

if TYPE_CHECKING:
    from loopback_core.evaluation.ablation_json import Ablation


@stage_asset("ablation", retrained=False, group_name="evaluation", kinds={"pytorch", "markdown"})
def ablation(step: Step) -> dg.MaterializeResult[Any]:
    """From the reference to the recipe of this log and each choice removed from it, over seeds, measured on validation.

    Finished trainings are kept: a killed run continues, and another choice trains only that one.
    """
    from loopback_core.ablation.choices import choices_for, plan_of
    from loopback_core.ablation.run import run_ablation
    from loopback_core.evaluation.ablation_json import read_ablation
    from loopback_core.settings import RECIPE, searched_only
    from loopback_core.splits import Splits
    from loopback_core.training.search import recipes_of_log

    towers, settings = step.sound("trained_towers"), step.settings.ablation
    splits, trained = step.upstream(towers, "temporal_splits"), towers.summary
    of_log = searched_only(trained["settings"]) if trained["preset"] == RECIPE else {}
    choices = choices_for(recipes_of_log(Splits(splits.folder).tuning_period, step.settings))
    plan = plan_of(settings.choices, choices, settings.seeds, step.overrides, of_log)

    def make(folder: Path) -> dict[str, int]:
        finished, checkpoints = step.store.kept("ablation"), step.scratch(folder)
        return run_ablation(
            Splits(splits.folder),
            splits.version,
            splits.digest,
            choices,
            plan,
            trained["search"]["chosen"] if trained["search"] else "",
            finished,
            checkpoints,
            folder,
            step.verify_inputs,
        )

    used = {name: [training_values(one) for one in by_seed] for name, by_seed in plan.items()}
    artifact, reused = step.publish("ablation", make, upstream=[towers, splits], extra_settings={"choices": used})
    measured = read_ablation(artifact.folder)
    return result(
        artifact,
        reused=reused,
        **artifact.summary,
        **{f"{task} table": table(_rows(measured, task)) for task in measured["users"]},
        ablation=picture(artifact.folder / "ablation.png"),
        text=dg.MetadataValue.md((artifact.folder / "ablation.md").read_text("utf-8")),
    )


def _rows(ablation: "Ablation", task: str) -> list[dict[str, str | float | None]]:
    """A row per choice: nDCG@10 and recall@100 as served and of the towers alone, and the differences to the recipe."""
    rows = []
    for row in ablation["rows"]:
        means, paired = row["tasks"].get(task, {}), row["paired"].get(task, {})
        cells: dict[str, str | float | None] = {"choice": row["choice"]}
        for what, metric in product(("served", "alone"), ("ndcg@10", "recall@100")):
            mean, comparison = means.get(what, {}).get(metric), paired.get(what, {}).get(metric)
            cells[f"{metric}, {what}"] = None if mean is None else mean["value"]
            cells[f"difference of {metric}, {what}"] = None if comparison is None else comparison["difference"]
        rows.append(cells)
    return rows
