"""The two towers."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table


@stage_asset("trained_towers", group_name="training", kinds={"pytorch"})
def trained_towers(step: Step) -> dg.MaterializeResult[Any]:
    """The user tower and the track tower, trained on train, their epoch chosen on validation."""
    artifact, reused = _train(step)
    summary = artifact.summary
    best, search = summary["best"], summary["search"]
    return result(
        artifact,
        reused=reused,
        preset=summary["preset"],
        seed=summary["seed"],
        device=summary["device"],
        best_epoch=summary["best_epoch"],
        loss=float(best["loss"]),
        temperature=float(best["temperature"]),
        events_per_second=float(best["events_per_second"]),
        parameters=summary["parameters"],
        validation=table([{"metric": name, "value": value} for name, value in best["validation"].items()]),
        **({"recipe": search["chosen"], "search": table(search["trials"])} if search else {}),
        training_curve=picture(artifact.folder / "training.png"),
    )


def _train(step: Step) -> Any:
    from loopback_core.reporting.plots import plot_training
    from loopback_core.splits import Splits
    from loopback_core.training.train import train_towers

    splits, settings = step.sound("temporal_splits"), step.settings

    def make(folder: Path) -> dict[str, Any]:
        summary = train_towers(Splits(splits.folder), settings, folder, step.scratch(folder))
        epochs = json.loads((folder / "history.json").read_text("utf-8"))["epochs"]
        plot_training(epochs, settings.training.validation_metric, folder / "training.png")
        return summary

    return step.publish("trained_towers", make, upstream=[splits])
