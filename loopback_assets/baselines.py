"""The asset of the baselines."""

from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import result, table


@stage_asset("baselines", group_name="evaluation", kinds={"numpy", "scipy"})
def baselines(step: Step) -> dg.MaterializeResult[Any]:
    """Every baseline, tuned on validation, with what it recommends at test time; does not depend on the towers."""
    from loopback_core.recommenders.baselines.baseline_lists import BaselineLists, BaselinesSummary, build_baselines
    from loopback_core.splits import Splits

    splits, settings = step.sound("temporal_splits"), step.settings.evaluation

    def make(folder: Path) -> BaselinesSummary:
        return build_baselines(Splits(splits.folder), settings, folder)

    artifact, reused = step.publish("baselines", make, upstream=[splits])
    content = BaselineLists(artifact.folder).tuning
    rows = [
        {"task": task, "baseline": name, "validation ndcg@10": tuned["ndcg@10"], "settings": _words(tuned["settings"])}
        for task, of_task in content["tuning"].items()
        for name, tuned in of_task.items()
    ]
    seconds = artifact.summary["seconds_by_baseline"]
    return result(
        artifact,
        reused=reused,
        tuned=table(rows),
        rivals=table([{"task": task, "rival": rival or "none"} for task, rival in content["rival"].items()]),
        seconds_by_baseline=table([{"baseline": name, "seconds": value} for name, value in seconds.items()]),
        left_out=dg.MetadataValue.json(content["obstacles"]),
    )


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "none to tune"
