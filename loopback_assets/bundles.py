"""The bundle that is served."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.training import BEGINS_WITH
from loopback_assets.ui import result, table
from loopback_core.checks import refuse_failed
from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import Artifact
from loopback_core.store.deployments import deploy
from loopback_core.store.served_pointer import served_version

if TYPE_CHECKING:
    from loopback_core.training.warm_start import StartingWeights

log = logging.getLogger("loopback")


@stage_asset("bundle", group_name="serving", kinds={"pytorch", "faiss"})
def bundle(step: Step) -> dg.MaterializeResult[Any]:
    """All that a request needs in one folder: towers trained on the whole log, vectors, index, names, histories."""
    artifact, reused = _build(step)
    summary = artifact.summary
    comparison = summary["comparison"]
    return result(
        artifact,
        reused=reused,
        **{"dagster/row_count": summary["tracks"]},
        users=summary["users"],
        refit=summary["refit"],
        bytes=sum(file["bytes"] for file in artifact.manifest["files"].values()),
        **({"against the evaluated towers": table([dict(comparison)])} if comparison else {}),
    )


def _build(step: Step) -> tuple[Artifact, bool]:
    from loopback_core.bundle.build_bundle import Evaluated, build_bundle
    from loopback_core.bundle.verdict_json import verdict_of
    from loopback_core.evaluation.evaluation_json import read_evaluation
    from loopback_core.splits import Splits
    from loopback_core.training.workers.launching import on_workers

    evaluation = step.sound("evaluation")
    index, vectors, ranker, towers, splits = (
        step.upstream(evaluation, asset)
        for asset in ("faiss_index", "track_embeddings", "trained_ranker", "trained_towers", "temporal_splits")
    )

    start = _starting_weights(step, towers)

    def make(folder: Path) -> dict[str, Any]:
        document = read_evaluation(evaluation.folder)
        evaluated = Evaluated(
            Splits(splits.folder),
            towers.folder,
            ranker.folder,
            vectors.folder,
            index.folder,
            towers.summary,
            dict(document["source"]),
            verdict_of(document, evaluation.version),
            start,
        )
        scratch = step.scratch(folder)
        arguments = (evaluated, step.settings, folder, scratch)
        training = step.settings.training
        return on_workers(build_bundle, arguments, training, scratch, writes=folder, launch=step.launch)

    artifact, reused = step.publish("bundle", make, upstream=[index, evaluation])
    _serve_first(step, artifact)
    return artifact, reused


def _starting_weights(step: Step, towers: Artifact) -> "StartingWeights | None":
    """Those of the bundle whose training the towers began with; None where they began anew, or it is gone."""
    from loopback_core.data.names import TrackNames
    from loopback_core.splits import Splits
    from loopback_core.training.warm_start import StartingWeights

    version = towers.manifest["settings"].get(BEGINS_WITH)
    if version is None or not towers.summary["is_warm"]:
        return None
    try:
        earlier = step.read(step.store.get("bundle", version))
        splits = step.read(step.store.upstream(earlier, "temporal_splits"))
    except ArtifactError as error:
        log.warning("the bundle is trained anew: %s", error)
        return None
    names = partial(getattr, Splits(splits.folder), "track_names")  # no lambda: workers are sent it
    return StartingWeights(earlier.folder, TrackNames(names))


def _serve_first(step: Step, artifact: Artifact) -> None:
    """Let the first sound bundle of a home be served. Others have to pass the gate."""
    served = served_version(step.store)
    if served == artifact.version:
        return
    if served is not None:
        log.info("bundle/%s stays in service; the asset promotion, the next of `retrain`, judges the new one", served)
        return
    try:
        refuse_failed(artifact, step.store, step.settings)
    except ArtifactError as error:
        log.error("the bundle is not served: %s", error)
        return
    deploy(step.store, artifact, "first", "No bundle was served before.", instead_of=[None])
