"""How the towers of a bundle were judged, in a few lines of its own: the service shows them without the evaluation."""

from typing import Any

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.outcome import against_rivals
from loopback_core.tasks.metrics import MAIN_METRIC


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
                "sentence": f"In {one.task} the towers against {one.rival}, over {one.users} users: {one.outcome.value}.",
                "metric": MAIN_METRIC,
                "difference": comparison["difference"] if comparison else None,
                "low": comparison["low"] if comparison else None,
                "high": comparison["high"] if comparison else None,
            }
        )
    return {"evaluation": version, "verdicts": verdicts}
