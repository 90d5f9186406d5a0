"""Served quality: does the service show what the evaluation measures?"""

from loopback_core.checks.check import Verdict
from loopback_core.served_quality.served_quality_json import read_served_quality
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def served_as_evaluated(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Nearly all logged answers without a wish are, track for track, the lists that the evaluation makes of the same histories."""
    replayed, least = read_served_quality(artifact.folder)["replayed"], settings.checks.min_replayed
    if replayed is None or not replayed["answers"]:
        return Verdict(True, "No answer can be made once more: none without a wish is in the log.", {})
    share = replayed["same"] / replayed["answers"]
    sentence = f"{replayed['same']:,} of {replayed['answers']:,} answers are those of the evaluation, at least {least:.0%} have to be."
    return Verdict(share >= least, sentence, {**replayed})
