"""What `evaluation.json` says of the time that features take."""

from typing_extensions import TypedDict


class GroupCost(TypedDict):
    """Milliseconds that a group of features takes in a request."""

    p50_ms: float
    p99_ms: float


class FeatureCostsJson(TypedDict):
    """The requests of one task, asked one at a time on one core."""

    requests: int
    groups: dict[str, GroupCost]  # group of features -> its time; see `feature_costs.py`
