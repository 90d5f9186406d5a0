"""A tuned baseline as files hold it."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

TunedJson = TypedDict(
    "TunedJson",
    {
        "grid": NotRequired[dict[str, list[Any]]],  # not in the first reports
        "settings": dict[str, Any],
        "ndcg@10": float | None,  # MAIN_METRIC; None when validation has no user to score
        "trials": list[dict[str, Any]],
    },
)
"""A tuned baseline in `tuning.json` and `evaluation.json`."""
