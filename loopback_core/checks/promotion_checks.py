"""The verdict of the gate."""

from loopback_core.checks.check import Verdict
from loopback_core.promotion.promotion_json import read_promotion
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def challenger_promoted(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The newest bundle took the place of the one that was served before."""
    promotion = read_promotion(artifact.folder)
    tasks = {
        f"{one['task']} difference": one["difference"] for one in promotion["differences"] if one["segment"] == "all"
    }
    return Verdict(
        promotion["decision"] == "promote", promotion["sentence"], {"decision": promotion["decision"], **tasks}
    )
