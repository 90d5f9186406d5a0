"""The recipes that a search compares: what a log rewards differs, and a short look at it tells."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from loopback_core.settings import Settings, merged
from loopback_core.tasks.period import Period

Overrides = dict[str, dict[str, Any]]
"""Section -> key, or sub-section -> key, -> value."""

LONGEST_WINDOW, LONGEST_STRIDE = 1000, 32

MOST_LISTENS_IN_ORDER = 4_000_000
"""Training listens beyond which a CPU does not read the order of listens: an epoch would take many times as long."""


@dataclass(frozen=True)
class Recipe:
    """A named choice of the settings that a search may change."""

    name: str
    overrides: Overrides

    def settings(self, settings: Settings) -> Settings:
        """`settings` with this recipe."""
        return Settings.model_validate(merged(settings.model_dump(), self.overrides), strict=False)


def recipes_for(period: Period, *, in_order: bool) -> list[Recipe]:
    """The recipes that are worth a look on this log. in_order: whether it is short enough for the order of listens.

    How far ahead a target may lie follows from what is asked: as many listens as a user plays in the period. Where that
    is one, the next listen is all there is to predict.
    """
    ahead = listens_ahead(period)
    near = {"target_window": ahead, "request_stride": min(LONGEST_STRIDE, -(-ahead // 4)), "users_per_group": 0}
    following = {"target_window": 1, "request_stride": 1, "users_per_group": 0}
    uniform, mixed = {"uniform_share": 1.0}, {"uniform_share": 0.5, "logq": 1.0}
    recipes = [Recipe("pools", _recipe("pooled", {**mixed, "users_per_group": 25}))]
    if in_order:
        recipes.append(Recipe("order, next listen", _recipe("hstu", {**following, **uniform})))
        recipes.append(Recipe("order, next listen, popular negatives", _recipe("hstu", {**following, **mixed})))
    if in_order and ahead > 1:
        recipes.append(Recipe("order, window", _recipe("hstu", {**near, **uniform})))
        recipes.append(Recipe("order, window, popular negatives", _recipe("hstu", {**near, **mixed})))
    return recipes


def listens_ahead(period: Period) -> int:
    """Listens of a typical user in the period: at least 1, at most LONGEST_WINDOW."""
    plays = np.bincount(period.held_out.user)
    return int(np.clip(np.median(plays[plays > 0]) if len(period.held_out) else 1, 1, LONGEST_WINDOW))


def _recipe(user_encoder: str, sampled: dict[str, Any]) -> Overrides:
    return {"towers": {"user_encoder": user_encoder}, "training": {"sampled": sampled}}
