"""The report: is the retriever worth serving?"""

import json

from loopback_core.artifacts import Artifact, ArtifactStore
from loopback_core.checks.check import Verdict
from loopback_core.evaluation import thresholds
from loopback_core.evaluation.thresholds import Threshold
from loopback_core.settings import Settings


def recall_floor(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers' recall@100 in discovery is at or above `checks.recall_floor`."""
    return _verdict(artifact, thresholds.recall_floor(_content(artifact), settings.checks.recall_floor))


def beats_popularity(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers' recall@100 in discovery is at or above that of `popularity_users`."""
    return _verdict(artifact, thresholds.beats_popularity(_content(artifact)))


def _content(artifact: Artifact) -> dict[str, object]:
    content: dict[str, object] = json.loads((artifact.folder / "evaluation.json").read_text("utf-8"))
    return content


def _verdict(artifact: Artifact, threshold: Threshold) -> Verdict:
    facts = {"recall@100": threshold.value, "needed": threshold.needed, "report": str(artifact.folder / "report.md")}
    return Verdict(threshold.passed, threshold.sentence, facts)
