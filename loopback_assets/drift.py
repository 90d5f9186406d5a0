"""What changed since the bundle in service was made."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import Artifact
from loopback_core.store.served_pointer import ASSET, served_version

if TYPE_CHECKING:
    from loopback_core.drift.drift_json import DriftJson

log = logging.getLogger("loopback")


@stage_asset("drift", group_name="serving", kinds={"polars", "numpy"})
def drift(step: Step) -> dg.MaterializeResult[Any]:
    """The new weeks of the log against those before, its past against the log of the bundle in service, the two bundles.

    Nothing is stopped here: what makes the data untrustworthy is for the promotion to read.
    """
    from loopback_core.drift.drift_json import drift_alarms, model_alarms, read_drift
    from loopback_core.drift.drift_plot import DRIFT_PICTURES

    artifact, reused = _compare(step)
    measured = read_drift(artifact.folder)
    alarms = [*drift_alarms(measured), *model_alarms(measured)]
    pictures = [artifact.folder / name for name in DRIFT_PICTURES if (artifact.folder / name).exists()]
    return result(
        artifact,
        reused=reused,
        champion=measured["champion"] or "none",
        alarms=len(alarms),
        sentences=dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in alarms or _calm(measured))),
        statistics=table([dict(one) for one in measured["data"]["weeks"]["statistics"]]),
        **{drawn.stem.replace("_", " "): picture(drawn) for drawn in pictures},
    )


def _compare(step: Step) -> tuple[Artifact, bool]:
    from loopback_core.drift.build_drift import Side, build_drift
    from loopback_core.drift.data_drift import NOBODY
    from loopback_core.drift.drift_json import comparisons_of, read_drift
    from loopback_core.listens.erasure import read_erased
    from loopback_core.listens.raw import log_of

    bundle = step.sound("bundle")
    interactions, raw = (step.upstream(bundle, asset) for asset in ("interactions", "raw_listens"))
    champion = _champion(step, bundle)
    listens = _log_of(step, champion) if champion else None
    erased = read_erased(log_of(raw).erased)
    before = list(_earlier(step, bundle.version))

    def make(folder: Path) -> dict[str, Any]:
        challenger = Side(bundle.version, bundle.folder, interactions.folder)
        served = Side(champion.version, champion.folder, listens.folder if listens else None) if champion else None
        gone = NOBODY if erased is None else erased["user_id"]
        past = comparisons_of([read_drift(one.folder) for one in before], bundle.version)
        return dict(build_drift(challenger, served, step.settings.drift, folder, gone, past))

    compared = {
        "champion": champion and champion.version,
        "champion_log": listens and listens.version,
        "before": [one.version for one in before],
    }
    return step.publish("drift", make, upstream=[bundle], extra_settings=compared)


def _earlier(step: Step, challenger: str) -> Iterator[Artifact]:
    """What other challengers were compared with before, the oldest first; what is damaged is named in the log and left out."""
    for artifact in step.store.every("drift"):
        if artifact.manifest["upstream"]["bundle"] != challenger:
            try:
                yield step.read(artifact)
            except ArtifactError as error:
                log.warning("an earlier comparison is left out: %s", error)


def _champion(step: Step, challenger: Artifact) -> Artifact | None:
    """The bundle in service; None where there is none, it cannot be read, or it is the new one."""
    try:
        version = served_version(step.store)
        if version in (None, challenger.version):
            return None
        return step.require(step.store.get(ASSET, version))
    except ArtifactError as error:
        log.warning("the bundle in service cannot be compared with: %s", error)
        return None


def _log_of(step: Step, champion: Artifact) -> Artifact | None:
    """The interactions that a bundle was made from; None where they are gone."""
    with suppress(ArtifactError, KeyError):
        return step.upstream(champion, "interactions")
    return None


def _calm(measured: "DriftJson") -> list[str]:
    """What is said where nothing raises an alarm."""
    data = measured["data"]
    return [data["weeks"]["sentence"], data["past"]["sentence"], data["rejects"]["sentence"]]
