"""What promotions lose together, each of them within the margin.

A test of non-inferiority against the champion of the day lets quality creep away: the next challenger is compared with what was already a
little worse (D'Agostino, Massaro, Sullivan 2003, on trials of drugs). The differences are added up as in a cumulative sum chart (Page 1954):
a gain makes up for earlier losses, and is not saved for later ones. So the sum is the distance from the best champion of the past, as far
as that was measured.
"""

from collections.abc import Mapping, Sequence

from loopback_core.promotion.comparing import ALL
from loopback_core.promotion.promotion_json import DifferenceJson


def add_losses(before: Mapping[str, float], differences: Sequence[DifferenceJson]) -> dict[str, float]:
    """By task, at most 0: what was lost once the challenger has taken the champion's place.

    before: the same of the champion, and of tasks that are not asked now; empty: nothing is known.
    """
    return dict(before) | {
        one["task"]: min(before.get(one["task"], 0.0) + one["difference"], 0.0)
        for one in differences
        if one["segment"] == ALL
    }


def crept(lost: Mapping[str, float], differences: Sequence[DifferenceJson]) -> list[str]:
    """A sentence for each task in which the challenger loses, and with it more than the margin is lost since the best champion."""
    return [
        f"{one['task']} {lost[one['task']]:+.4f}, more than {one['margin']:.4f}"
        for one in differences
        if one["segment"] == ALL and one["difference"] < 0 and lost[one["task"]] < -one["margin"]
    ]
