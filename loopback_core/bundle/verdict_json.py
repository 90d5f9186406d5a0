"""How the towers of a bundle were judged, in a few lines of its own: the service shows them without the evaluation."""

from typing import Any

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.outcome import Outcome, against_rivals
from loopback_core.tasks.metrics import MAIN_METRIC

SENTENCES = {
    Outcome.BEAT: "Better than {rival}, over {users:,} users.",
    Outcome.AHEAD: "Ahead of {rival}, over {users:,} users, but not significantly.",
    Outcome.LEVEL: "No clear difference to {rival}, over {users:,} users.",
    Outcome.BEHIND: "Behind {rival}, over {users:,} users, but not significantly.",
    Outcome.LOSE: "Worse than {rival}, over {users:,} users.",
    Outcome.UNKNOWN: "Too few users, {users:,}, to tell it from {rival}.",
}
"""What a verdict says of the model in service."""


def verdict_of(evaluation: Evaluation, version: str) -> dict[str, Any]:
    """The version of the evaluation, and for every task with a rival a sentence and the paired difference with its interval."""
    verdicts = []
    for one in against_rivals(evaluation):
        if one.rival is None:
            continue
        comparison = one.comparison
        verdicts.append(
            {
                "task": one.task,
                "rival": one.rival,
                "users": one.users,
                "sentence": SENTENCES[one.outcome].format(rival=one.rival, users=one.users),
                "metric": MAIN_METRIC,
                "difference": comparison["difference"] if comparison else None,
                "low": comparison["low"] if comparison else None,
                "high": comparison["high"] if comparison else None,
            }
        )
    return {"evaluation": version, "verdicts": verdicts}
