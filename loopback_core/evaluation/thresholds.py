"""The thresholds that trained towers have to reach, read from `evaluation.json`."""

from dataclasses import dataclass

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.recommenders.lists import SERVED


@dataclass(frozen=True)
class Threshold:
    """A measured value and the one it has to reach."""

    passed: bool
    value: float | None  # None: no user could be scored
    needed: float | None
    sentence: str


def against_floor(evaluation: Evaluation, floor: float) -> Threshold:
    """The towers' recall@100 in discovery is at or above `floor`."""
    return _threshold(_recall(evaluation, SERVED), floor, f"the floor of {floor:.4f} (checks.recall_floor)")


def against_popularity(evaluation: Evaluation) -> Threshold:
    """The towers' recall@100 in discovery is at or above that of `popularity_users`."""
    popularity = _recall(evaluation, "popularity_users")
    shown = "unknown" if popularity is None else f"{popularity:.4f}"
    return _threshold(_recall(evaluation, SERVED), popularity, f"popularity_users, {shown}")


def _recall(evaluation: Evaluation, recommender: str) -> float | None:
    metrics = evaluation["tasks"]["discovery"]["recommenders"].get(recommender) or {}
    mean = metrics.get("recall@100")
    return None if mean is None else mean["value"]


def _threshold(value: float | None, needed: float | None, what: str) -> Threshold:
    if value is None or needed is None:
        sentence = "recall@100 in discovery could not be measured: no user of train plays a new catalog track in test"
        return Threshold(False, value, needed, sentence)
    passed = value >= needed
    sentence = f"recall@100 of what is served in discovery is {value:.4f}, {'not ' * passed}below {what}"
    return Threshold(passed, value, needed, sentence)
