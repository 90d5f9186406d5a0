"""What each choice of the recipe is worth. No part of the chain: it trains dozens of towers."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.stages import training_values


@stage_asset("ablation", group_name="evaluation", kinds={"pytorch", "markdown"})
def ablation(step: Step) -> dg.MaterializeResult[Any]:
    """From the reference to the recipe and each choice removed from it, over seeds, trained on train, measured on validation.

    What was trained is kept: a killed run goes on where it was, and a choice more trains only that one.
    """
    from loopback_core.ablation.choices import choose, settings_of
    from loopback_core.ablation.run import run_ablation
    from loopback_core.splits import Splits

    splits, chosen = step.sound("temporal_splits"), step.settings.ablation
    plan = {name: [settings_of(name, seed, step.overrides) for seed in chosen.seeds] for name in choose(chosen.choices)}

    def make(folder: Path) -> dict[str, Any]:
        kept, checkpoints = step.store.kept("ablation"), step.store.scratch(folder)
        return run_ablation(Splits(splits.folder), splits.version, plan, kept, checkpoints, folder)

    used = {name: [training_values(settings) for settings in by_seed] for name, by_seed in plan.items()}
    artifact, reused = step.publish("ablation", make, upstream=[splits], beside={"choices": used})
    content = json.loads((artifact.folder / "ablation.json").read_text("utf-8"))
    return result(
        artifact,
        reused=reused,
        **artifact.summary,
        **{f"{task} table": table(_rows(content, task)) for task in content["users"]},
        ablation=picture(artifact.folder / "ablation.png"),
        text=dg.MetadataValue.md((artifact.folder / "ablation.md").read_text("utf-8")),
    )


def _rows(content: dict[str, Any], task: str) -> list[dict[str, Any]]:
    """A row per choice: nDCG@10 and recall@100 of what is served and of the towers alone, and the difference to the recipe."""
    rows = []
    for row in content["rows"]:
        means, paired = row["tasks"].get(task, {}), row["paired"].get(task, {})
        cells: dict[str, Any] = {"choice": row["choice"]}
        for what, metric in product(("served", "alone"), ("ndcg@10", "recall@100")):
            cells[f"{metric}, {what}"] = means.get(what, {}).get(metric, {}).get("value")
            cells[f"difference of {metric}, {what}"] = paired.get(what, {}).get(metric, {}).get("difference")
        rows.append(cells)
    return rows
