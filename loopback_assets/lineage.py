"""The families of retrievers, measured against each other. No part of the chain: it trains each of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.stages import training_values

if TYPE_CHECKING:
    from loopback_core.lineage.lineage_json import Lineage


@stage_asset("lineage", retrained=False, group_name="evaluation", kinds={"pytorch", "faiss", "markdown"})
def lineage(step: Step) -> dg.MaterializeResult[Any]:
    """Two towers, several vectors of a user, late interaction: quality on validation against the cost of a query, over seeds.

    Finished trainings are kept: a killed run continues, and another family trains only that one.
    """
    from loopback_core.lineage.families import chosen_families, settings_of_family
    from loopback_core.lineage.lineage_json import read_lineage
    from loopback_core.lineage.run_lineage import run_lineage
    from loopback_core.splits import Splits

    splits, settings = step.sound("temporal_splits"), step.settings.lineage
    plan = {
        family.name: [settings_of_family(family, seed, step.overrides) for seed in settings.seeds]
        for family in chosen_families(settings.families)
    }

    def make(folder: Path) -> dict[str, int]:
        finished, checkpoints = step.store.kept("lineage"), step.scratch(folder)
        return run_lineage(
            Splits(splits.folder),
            splits.version,
            splits.digest,
            plan,
            finished,
            checkpoints,
            folder,
            step.verify_inputs,
        )

    used = {name: [training_values(one) for one in by_seed] for name, by_seed in plan.items()}
    artifact, reused = step.publish("lineage", make, upstream=[splits], extra_settings={"families": used})
    measured, drawn = read_lineage(artifact.folder), artifact.folder / "lineage.png"
    return result(
        artifact,
        reused=reused,
        **artifact.summary,
        **{f"{task} table": table(_rows(measured, task)) for task in measured["users"]},
        **({"lineage": picture(drawn)} if drawn.exists() else {}),
        text=dg.MetadataValue.md((artifact.folder / "lineage.md").read_text("utf-8")),
    )


def _rows(lineage: "Lineage", task: str) -> list[dict[str, str | float | None]]:
    """A row per family: nDCG@10 and recall@100, their differences to the plain towers, and p99."""
    rows = []
    for row in lineage["rows"]:
        means, paired = row["tasks"].get(task, {}), row["paired"].get(task, {})
        cells: dict[str, str | float | None] = {"family": row["family"]}
        for metric in ("ndcg@10", "recall@100"):
            mean, comparison = means.get(metric), paired.get(metric)
            cells[metric] = None if mean is None else mean["value"]
            cells[f"difference of {metric}"] = None if comparison is None else comparison["difference"]
        rows.append({**cells, "p99_ms": row["costs"].get("p99_ms")})
    return rows
