"""The report: can its numbers be trusted, and is the retriever worth serving?"""

import json
from typing import Any

from loopback_core.checks.check import Predicate, Verdict
from loopback_core.evaluation import thresholds
from loopback_core.evaluation.sanity import faults
from loopback_core.evaluation.thresholds import Threshold
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore

VERDICTS = ("discovery", "next_listen", "cold_start", "new_users")
"""The tasks that have a rival."""


def recall_floor(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers' recall@100 in discovery is at or above `checks.recall_floor`."""
    return _verdict(artifact, thresholds.recall_floor(_content(artifact), settings.checks.recall_floor))


def beats_popularity(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers' recall@100 in discovery is at or above that of `popularity_users`."""
    return _verdict(artifact, thresholds.beats_popularity(_content(artifact)))


def evaluation_users(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Discovery and next_listen each have at least `checks.min_evaluation_users` scored users."""
    tasks, floor = _content(artifact)["tasks"], settings.checks.min_evaluation_users
    users = {task: int(tasks[task]["users"]) for task in ("discovery", "next_listen")}
    few = [f"{task} has {count:,} scored users" for task, count in users.items() if count < floor]
    sentence = (
        f"{' and '.join(few)}, fewer than {floor:,}: bring a longer log or more users, choose another split, or lower "
        "checks.min_evaluation_users"
    )
    return Verdict(not few, sentence if few else f"both tasks have at least {floor:,} scored users", users)


def metrics_sane(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every number lies where it must: shares in [0, 1], inside their intervals, not falling with K where they cannot."""
    wrong, read = faults(_content(artifact)["tasks"])
    sentence = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    return Verdict(
        read > 0 and not wrong,
        sentence or f"{read:,} numbers lie where they must",
        {"numbers": read, "faults": len(wrong)},
    )


def random_agrees(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Random lists, measured for real, have as many hits as the closed form says: an exact test of the evaluator."""
    found = _content(artifact)["calibration"]
    p, threshold = float(found["smallest_p"]), float(found["threshold"])
    sentence = f"the smallest p of {found['tests']} exact tests is {p:.2g} (Bonferroni); below {threshold:g} it fails"
    return Verdict(p >= threshold, sentence, {"smallest_p": p, "threshold": threshold})


def beats_rival(task: str) -> Predicate:
    """The check of one task."""

    def predicate(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
        found = thresholds.beats_rival(_content(artifact), task)
        return Verdict(found.passed, found.sentence, found.facts)

    predicate.__doc__ = (
        f"In {task} the towers' nDCG@10 is above that of the best baseline, with its interval above zero."
    )
    return predicate


def _content(artifact: Artifact) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((artifact.folder / "evaluation.json").read_text("utf-8"))
    return content


def _verdict(artifact: Artifact, threshold: Threshold) -> Verdict:
    facts = {"recall@100": threshold.value, "needed": threshold.needed, "report": str(artifact.folder / "report.md")}
    return Verdict(threshold.passed, threshold.sentence, facts)
