"""The recipes that a search compares: what a log rewards differs, and a short look at it tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopback_core.settings import Settings, merged
from loopback_core.tasks.period import Period

Overrides = Mapping[str, Mapping[str, Any]]
"""Section -> key, or sub-section -> key, -> value."""

COST_OF_ORDER = 4
"""An epoch that reads the order of listens takes about this many times as long as one of pools, on two cores."""

LONGEST_STRIDE = 32

READINGS = 128
"""Requests of a typical history: reading it as often as it has listens costs the square of its length."""

MOST_LISTENS_IN_ORDER = 4_000_000
"""Training listens beyond which a CPU does not read the order of listens: an epoch would take many times as long."""


@dataclass(frozen=True)
class Recipe:
    """A named choice of the settings that a search may change."""

    name: str
    overrides: Overrides
    cost: int = 1  # of an epoch, against one of the cheapest recipe

    def settings(self, settings: Settings) -> Settings:
        """`settings` with this recipe."""
        return Settings.model_validate(merged(settings.model_dump(), self.overrides), strict=False)


def recipes_for(period: Period, *, in_order: bool) -> list[Recipe]:
    """The recipes that are worth a look on this log. in_order: whether it is short enough for the order of listens.

    Where the order is read, a target is the next listen, or, where histories are long and every reading of one is dear, one
    of the next few.
    """
    near = listens_apart(period)
    uniform, mixed = {"uniform_share": 1.0}, {"uniform_share": 0.5, "logq": 1.0}
    recipes = [Recipe("pools", _recipe("pooled", **mixed, users_per_group=25))]
    if in_order:
        following = {"target_window": near, "request_stride": near, "users_per_group": 0}
        recipes.append(Recipe("order", _recipe("hstu", **following, **mixed), COST_OF_ORDER))
        recipes.append(Recipe("order, uniform negatives", _recipe("hstu", **following, **uniform), COST_OF_ORDER))
    return recipes


def listens_apart(period: Period) -> int:
    """Listens between two requests of a history, so that a typical one has about READINGS of them."""
    plays = np.bincount(period.fit.events.user)
    return int(np.clip(np.median(plays[plays > 0]) // READINGS, 1, LONGEST_STRIDE))


def _recipe(user_encoder: str, **sampled: Any) -> Overrides:
    return {"towers": {"user_encoder": user_encoder}, "training": {"sampled": sampled}}
