"""The two towers."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import Artifact
from loopback_core.store.served_pointer import served_version

if TYPE_CHECKING:
    from loopback_core.training.warm_start import EarlierTraining

log = logging.getLogger("loopback")

BEGINS_WITH = "begins_with"
"""Among the settings of a training: the bundle that it may begin with."""


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
        warm_start=summary["is_warm"],
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
    from loopback_core.training.workers.launching import on_workers

    splits, settings = step.sound("temporal_splits"), step.settings
    begins_with = _begins_with(step, splits) if settings.training.warm_start else None
    earlier = None if begins_with is None else _earlier_training(step, begins_with)

    def make(folder: Path) -> dict[str, Any]:
        scratch = step.scratch(folder)
        arguments = (Splits(splits.folder), settings, folder, scratch, earlier)
        summary = on_workers(train_towers, arguments, settings.training, scratch, writes=folder, launch=step.launch)
        epochs = json.loads((folder / "history.json").read_text("utf-8"))["epochs"]
        plot_training(epochs, settings.training.validation_metric, folder / "training.png")
        return summary

    return step.publish(
        "trained_towers",
        make,
        upstream=[splits],
        extra_settings={} if begins_with is None else {BEGINS_WITH: begins_with},
    )


def _begins_with(step: Step, splits: Artifact) -> str | None:
    """The bundle in service; where it was made from these splits, what its own training began with: nothing is new then."""
    try:
        version = served_version(step.store)
        if version is None:
            return None
        champion = step.store.get("bundle", version)
        if step.store.lineage(champion, "temporal_splits").version != splits.version:
            return version
        own: str | None = step.store.lineage(champion, "trained_towers").manifest["settings"].get(BEGINS_WITH)
    except (ArtifactError, KeyError) as error:
        log.warning("training begins anew: %s", error)
        return None
    return own


def _earlier_training(step: Step, bundle: str) -> "EarlierTraining | None":
    """The training that a bundle was made from, verified; None where it is gone or damaged."""
    from loopback_core.splits import Splits
    from loopback_core.training.warm_start import EarlierTraining

    try:
        champion = step.store.get("bundle", bundle)
        towers, splits = (
            step.read(step.store.upstream(champion, name)) for name in ("trained_towers", "temporal_splits")
        )
    except (ArtifactError, KeyError) as error:
        log.warning("training begins anew: %s", error)
        return None
    return EarlierTraining(towers.folder, Splits(splits.folder), towers.summary)
