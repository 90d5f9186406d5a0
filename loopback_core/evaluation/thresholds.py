"""What a trained retriever has to pass, read from `evaluation.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loopback_core.tasks.metrics import MAIN_METRIC


@dataclass(frozen=True)
class Threshold:
    """A measured value beside the one it has to reach."""

    passed: bool
    value: float | None  # None: nobody could be scored
    needed: float | None
    sentence: str


@dataclass(frozen=True)
class AgainstRival:
    """The towers against the best baseline of a task. Where too few users were scored there is no verdict, and it passes."""

    passed: bool
    sentence: str
    facts: dict[str, float | str | None] = field(default_factory=dict)


def beats_rival(evaluation: Mapping[str, Any], task: str) -> AgainstRival:
    """The paired interval of the main metric against the rival lies above zero."""
    rival, users = evaluation["rival"].get(task), evaluation["tasks"][task]["users"]
    paired = evaluation["paired"][task].get(rival, {}).get(MAIN_METRIC)
    if paired is None or paired["low"] is None:
        return AgainstRival(True, f"no verdict in {task}: {users:,} users could be scored", {"users": users})
    low, high = paired["low"], paired["high"]
    word = "beats" if low > 0 else "loses to" if high < 0 else "cannot be told apart from"
    sentence = (
        f"in {task} the two-tower {word} {rival}: {MAIN_METRIC} differs by {paired['difference']:+.4f} "
        f"[{low:+.4f}, {high:+.4f}] over {users:,} users"
    )
    facts = {"rival": rival, **{key: paired[key] for key in ("difference", "low", "high", "p_holm")}, "users": users}
    return AgainstRival(low > 0, sentence, facts)


def recall_floor(evaluation: Mapping[str, Any], floor: float) -> Threshold:
    """The towers' recall@100 in discovery is at or above `floor`."""
    value = _recall(evaluation, "two_tower")
    return _threshold(value, floor, f"the floor of {floor:.4f} (checks.recall_floor)")


def beats_popularity(evaluation: Mapping[str, Any]) -> Threshold:
    """The towers' recall@100 in discovery is at or above that of `popularity_users`."""
    popularity = _recall(evaluation, "popularity_users")
    shown = "unknown" if popularity is None else f"{popularity:.4f}"
    return _threshold(_recall(evaluation, "two_tower"), popularity, f"popularity_users, {shown}")


def _recall(evaluation: Mapping[str, Any], recommender: str) -> float | None:
    metrics = evaluation["tasks"]["discovery"]["recommenders"].get(recommender) or {}
    value: float | None = metrics.get("recall@100", {}).get("value")
    return value


def _threshold(value: float | None, needed: float | None, what: str) -> Threshold:
    if value is None or needed is None:
        sentence = (
            "recall@100 in discovery could not be measured: nobody who plays in train finds a new catalog track in test"
        )
        return Threshold(False, value, needed, sentence)
    passed = value >= needed
    sentence = f"recall@100 of the towers in discovery is {value:.4f}, {'not ' * passed}below {what}"
    return Threshold(passed, value, needed, sentence)
