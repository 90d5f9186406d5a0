"""The two towers."""

from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.listens import OWNERS
from loopback_assets.resources import Loopback, Step, told_to_the_user
from loopback_assets.splits import temporal_splits
from loopback_assets.ui import picture, result, table
from loopback_core.digests import file_sha256


@dg.asset(deps=[temporal_splits], group_name="training", kinds={"pytorch"}, owners=OWNERS)
@told_to_the_user()
def trained_towers(context: dg.AssetExecutionContext, loopback: Loopback) -> dg.MaterializeResult[Any]:
    """The user tower and the track tower, trained on train, their epoch chosen on validation."""
    step = loopback.step(context)
    artifact, reused = _train(step)
    summary = artifact.summary
    best = summary["best"]
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
        scoring=table([_row(task, weights) for task, weights in summary["scoring"].items()]),
        training_curve=picture(artifact.folder / "training.png"),
    )


def _row(task: str, weights: dict[str, Any]) -> dict[str, str | float]:
    def by_half_life(term: str) -> str:
        return ", ".join(f"{weight:.3g} ({float(days):g} days)" for days, weight in weights[term].items())

    return {
        "task": task,
        "popularity": weights["popularity"],
        "trend": weights["trend"],
        "plays of the track": by_half_life("track"),
        "plays of the artist": by_half_life("artist"),
        "related artists": weights["related"],
    }


def _train(step: Step) -> Any:
    from loopback_core.splits import Splits
    from loopback_core.training.train import train_towers

    splits, settings = step.sound("temporal_splits"), step.settings
    chosen = {
        "towers": settings.towers.model_dump(mode="json"),
        "training": settings.training.model_dump(mode="json"),
        "tie_seed": settings.evaluation.seed,
        "tuning_users": settings.evaluation.tuning_users,
    }
    if (features := settings.towers.features) and Path(features).is_file():
        chosen["features"] = file_sha256(Path(features))
    # Of evaluation and retrieval what validation reads: an edit of the report must not retrain.
    measures = ("evaluation/metrics.py", "evaluation/tasks.py", "evaluation/serving.py")
    scores = [f"retrieval/{name}.py" for name in ("embed", "ranking", "recommenders", "related", "scoring")]
    code = ("towers", "features", "training", "data.py", *scores, *measures)

    def make(folder: Path) -> dict[str, Any]:
        return train_towers(Splits(splits.folder), settings, folder, step.store.scratch(folder))

    return step.publish("trained_towers", make, upstream=[splits], settings=chosen, code=code)
