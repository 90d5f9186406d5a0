"""Whether what is served is better than a rival: the one place of the decision and of its words."""

from dataclasses import dataclass
from enum import StrEnum

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.significance import Comparison
from loopback_core.tasks.metrics import MAIN_METRIC

SIGNIFICANT = 0.05
"""Largest p, after Holm's correction, of a significant difference."""


class Outcome(StrEnum):
    """The outcome of what is served against a rival; the value completes 'it …'."""

    BEAT = "beat it"
    AHEAD = "ahead, not significant after correction"
    LEVEL = "no clear difference"
    BEHIND = "behind, not significant after correction"
    LOSE = "lose to it"
    UNKNOWN = "no verdict"


def outcome(comparison: Comparison | None) -> Outcome:
    """By the paired interval and by p after Holm's correction: a win or a loss needs both.

    None, or a comparison without an interval (too few users), has no verdict.
    """
    if comparison is None or (low := comparison["low"]) is None or (high := comparison["high"]) is None:
        return Outcome.UNKNOWN
    if low <= 0 <= high:
        return Outcome.LEVEL
    p = comparison["p_holm"]
    if p is not None and p <= SIGNIFICANT:
        return Outcome.BEAT if low > 0 else Outcome.LOSE
    return Outcome.AHEAD if low > 0 else Outcome.BEHIND


@dataclass(frozen=True)
class AgainstRival:
    """What is served against the rival of one task."""

    task: str
    users: int
    rival: str | None  # None: no baseline answered the task
    comparison: Comparison | None  # by the main metric; None when nothing was compared
    deep: Comparison | None  # the same by recall@100

    @property
    def outcome(self) -> Outcome:
        """By the main metric."""
        return outcome(self.comparison)


def against_rivals(evaluation: Evaluation) -> list[AgainstRival]:
    """One per task that has a rival, in the order of the tasks."""
    return [against_rival(evaluation, task) for task in evaluation["tasks"] if task in evaluation["rival"]]


def against_rival(evaluation: Evaluation, task: str) -> AgainstRival:
    """What is served against the rival of this task."""
    rival = evaluation["rival"].get(task)
    metrics = evaluation["paired"].get(task, {}).get(rival or "", {})
    users = evaluation["tasks"][task]["users"]
    return AgainstRival(task, users, rival, metrics.get(MAIN_METRIC), metrics.get("recall@100"))
