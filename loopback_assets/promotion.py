"""The gate between the bundle that was built and the one that is served."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.automation import post
from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import Artifact
from loopback_core.store.deployments import Cause, deploy, lost_by_served, taken_back
from loopback_core.store.retention import delete_unneeded
from loopback_core.store.served_pointer import ASSET, served_version

if TYPE_CHECKING:
    from loopback_core.promotion.promotion_json import PromotionJson

log = logging.getLogger("loopback")


@stage_asset("promotion", group_name="serving", kinds={"numpy"})
def promotion(step: Step) -> dg.MaterializeResult[Any]:
    """The new bundle is judged against the one that is served, on listens that neither was trained on, and promoted,
    kept back, or put into quarantine."""
    from loopback_core.promotion.judging import PICTURE, write_verdict
    from loopback_core.promotion.promotion_json import read_promotion

    challenger, champion = step.newest(ASSET), served_version(step.store)
    unasked = _unasked(step, challenger, champion)
    lost = {} if unasked else lost_by_served(step.store)

    def make(folder: Path) -> dict[str, Any]:
        return write_verdict(unasked or _ask(step, challenger, champion, lost), folder)

    judged = {"champion": champion, "unasked": unasked, "lost": lost}
    artifact, reused = step.publish("promotion", make, upstream=[challenger], extra_settings=judged)
    promotion = read_promotion(artifact.folder)
    _act(step, challenger, champion, promotion)
    drawn = artifact.folder / PICTURE
    return result(
        artifact,
        reused=reused,
        decision=promotion["decision"],
        sentence=promotion["sentence"],
        champion=champion or "",
        differences=table([dict(one) for one in promotion["differences"]]),
        bounds=table([dict(one) for one in promotion["bounds"]]),
        **({"picture": picture(drawn)} if drawn.exists() else {}),
    )


def _unasked(step: Step, challenger: Artifact, champion: str | None) -> "PromotionJson | None":
    """The verdict where neither is asked; None where both can be. All that is asked is verified."""
    from loopback_core.promotion.contender import EVALUATED
    from loopback_core.promotion.judging import unjudged

    version = challenger.version
    try:
        step.require(challenger)
        for name in ("evaluation", *EVALUATED):
            step.upstream(challenger, name)
    except ArtifactError as error:
        return unjudged("quarantine", f"The challenger is not sound: {error}", version, champion, [str(error)])
    if champion is None:
        return unjudged("promote", "No bundle was served before: the first sound one is.", version, None)
    if champion == version:
        return unjudged("promote", "This bundle is served already.", version, champion)
    if (reason := taken_back(step.store).get(version)) is not None:
        sentence = f"Somebody took this bundle out of service ({reason}): it is not brought back."
        return unjudged("keep", sentence, version, champion)
    try:
        served = step.store.get(ASSET, champion)
        step.read(served)
        for name in EVALUATED:
            step.read(step.store.upstream(served, name))
    except (ArtifactError, KeyError) as error:
        sentence = f"The champion cannot be asked ({error}). Choose by hand: loopback promote {version} --reason TEXT."
        return unjudged("quarantine", sentence, version, champion, [str(error)])
    alarms = _alarms(step, challenger, champion)
    if alarms:
        sentence = f"Not judged, since the data cannot be trusted: {' '.join(alarms)} If the data is right: loopback promote {version} --reason TEXT."
        return unjudged("quarantine", sentence, version, champion, alarms)
    return None


def _alarms(step: Step, challenger: Artifact, champion: str) -> list[str]:
    """What makes the data untrustworthy, a sentence each."""
    from loopback_core.drift.drift_json import drift_alarms, read_drift

    try:
        drift = read_drift(step.sibling("drift", challenger).folder)
    except ArtifactError as error:
        return [f"What drifted is not known: materialize drift first ({error})."]
    if drift["champion"] != champion:
        return [
            f"The drift was measured against {drift['champion']}, and {champion} is served: materialize drift again."
        ]
    return drift_alarms(drift)


def _ask(step: Step, challenger: Artifact, champion: str | None, lost: dict[str, float]) -> "PromotionJson":
    from loopback_core.evaluation.evaluation_json import read_evaluation
    from loopback_core.promotion.contender import EVALUATED, Contender
    from loopback_core.promotion.judging import judge_challenger

    assert champion is not None  # otherwise nothing is asked
    evaluation = step.store.lineage(challenger, "evaluation")
    ours, theirs = (
        Contender.load(bundle, tuple(step.store.lineage(bundle, name).folder for name in EVALUATED))
        for bundle in (challenger, step.store.get(ASSET, champion))
    )
    return judge_challenger(ours, theirs, read_evaluation(evaluation.folder), step.settings, lost)


def _act(step: Step, challenger: Artifact, champion: str | None, promotion: "PromotionJson") -> None:
    """Serve what was promoted; say in the log, and to LOOPBACK_WEBHOOK, what was not."""
    sentence = f"{challenger}: {promotion['decision']}. {promotion['sentence']}"
    if promotion["decision"] != "promote":
        log.warning("%s", sentence)
        if webhook := os.environ.get("LOOPBACK_WEBHOOK"):
            post(webhook, f"loopback: {sentence}", log)
        return
    cause: Cause = "first" if champion is None else "promotion"
    if deploy(step.store, challenger, cause, promotion["sentence"], instead_of=[champion], lost=promotion["lost"]):
        log.info("%s", sentence)
    if step.settings.promotion.clean:
        for one in delete_unneeded(step.store, step.settings.promotion.keep_bundles):
            log.info("deleted %s, which nothing needs any more", one.artifact)
