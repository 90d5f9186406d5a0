"""The rankers, and how lists are re-ranked."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.training import BEGINS_WITH
from loopback_assets.ui import result, table
from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import Artifact

if TYPE_CHECKING:
    from loopback_core.ranking.corrector_facts import CorrectorFacts
    from loopback_core.ranking.linear_ranker import RankerJson

log = logging.getLogger("loopback")


@stage_asset("trained_ranker", group_name="training", kinds={"lightgbm", "numpy"})
def trained_ranker(step: Step) -> dg.MaterializeResult[Any]:
    """The linear score of each task, what corrects it where that pays, and the re-ranking: fitted on validation."""
    from loopback_core.splits import Splits
    from loopback_core.training.train import with_settings_of
    from loopback_core.training.train_ranker import train_ranker

    towers = step.sound("trained_towers")
    splits, settings = step.upstream(towers, "temporal_splits"), with_settings_of(step.settings, towers.summary)

    def make(folder: Path) -> dict[str, Any]:
        return train_ranker(Splits(splits.folder), towers.folder, settings, folder, _earlier_rankers(step, towers))

    artifact, reused = step.publish("trained_ranker", make, upstream=[towers])
    summary = artifact.summary
    return result(
        artifact,
        reused=reused,
        preset=summary["preset"],
        scoring=table(_weights(summary["scoring"])),
        refining=table([{"task": task, **facts} for task, facts in summary["refining"].items()]),
        correctors=table([{"task": task, **_without_gains(fit)} for task, fit in summary["correctors"].items()]),
        **{f"{task} gains": table(_gains(fit["gains"])) for task, fit in summary["correctors"].items() if fit["gains"]},
        **{
            f"{task} losses": table(_losses(fit["losses"]))
            for task, fit in summary["correctors"].items()
            if fit["losses"]
        },
    )


def _earlier_rankers(step: Step, towers: Artifact) -> Path | None:
    """The bundle whose training the towers began with, verified; None where they began anew, or it is gone or damaged."""
    version = towers.manifest["settings"].get(BEGINS_WITH)
    if version is None or not towers.summary["is_warm"]:
        return None
    try:
        return step.read(step.store.get("bundle", version)).folder
    except ArtifactError as error:
        log.warning("the ranker is fitted anew: %s", error)
        return None


def _without_gains(fit: "CorrectorFacts") -> dict[str, str | float | bool]:
    return {name: value for name, value in fit.items() if isinstance(value, (int, float, str))}


def _gains(gains: dict[str, float]) -> list[dict[str, str | float]]:
    """The features that trees split by, the largest gain first."""
    order = sorted(gains, key=lambda name: -gains[name])
    return [{"feature": name, "share of the gain": round(gains[name], 4)} for name in order if gains[name]]


def _losses(losses: dict[str, float]) -> list[dict[str, str | float]]:
    """What is lost where the values of a group of features are shuffled, the largest first."""
    order = sorted(losses, key=lambda name: -losses[name])
    return [{"features": name, "ndcg@10 lost": round(losses[name], 4)} for name in order]


def _weights(rankers: "dict[str, RankerJson]") -> list[dict[str, str | float]]:
    """The features of the linear score with their standardised weight in every task, the largest first."""
    of_task = {task: ranker["standardised"] for task, ranker in rankers.items() if ranker["standardised"]}
    features = {name for weights in of_task.values() for name in weights}
    largest = {name: max(abs(weights.get(name, 0.0)) for weights in of_task.values()) for name in features}
    return [
        {"feature": name, **{task: round(weights.get(name, 0.0), 3) for task, weights in of_task.items()}}
        for name in sorted(features, key=lambda name: (-largest[name], name))
    ]
