"""What `evaluation.json` says of the re-ranking."""

from typing import Any

from typing_extensions import TypedDict

from loopback_core.evaluation.significance import Comparison


class DialPointJson(TypedDict):
    """Lists, and the means over their users, of the first ten tracks."""

    diversity: float  # of the dial; that of the shipped lists where they are others
    ndcg: float
    distance: float
    artists: float
    entropy: float


class RerankingJson(TypedDict):
    """The re-ranking of one task as measured on test."""

    choice: dict[str, Any]  # what was chosen on validation, and what was measured there
    lists: dict[str, DialPointJson]  # reranked, ranked and the rival, all users
    against: dict[str, dict[str, Comparison]]  # ranked or the rival -> metric -> reranked minus that one
    users_of_curve: int
    curve: dict[str, list[DialPointJson]]  # method -> its points on test, for some users
