"""From what was measured to a verdict and its sentence."""

from collections.abc import Mapping, Sequence

from loopback_core.promotion.accumulated_loss import crept
from loopback_core.promotion.comparing import ALL
from loopback_core.promotion.promotion_json import BoundJson, Decision, DifferenceJson
from loopback_core.tasks.metrics import MAIN_METRIC


def decide(
    differences: Sequence[DifferenceJson],
    lost: Mapping[str, float],
    bounds: Sequence[BoundJson],
    age_days: float,
    max_age_days: float,
) -> tuple[Decision, str]:
    """promote or keep, and why.

    lost: by task, what is lost since the best champion. age_days: from the newest listen of the champion to that of the challenger.
    """
    broken = [bound["sentence"] for bound in bounds if not bound["holds"]]
    if broken:
        return "keep", f"The champion stays: out of bounds are {'; '.join(broken)}."
    worse = [one for one in differences if one["says"] == "worse"]
    if worse:
        return "keep", f"The champion stays: the challenger is worse in {'; '.join(map(in_words, worse))}."
    if creeping := crept(lost, differences):
        return "keep", (
            f"The champion stays: a challenger that loses a little would follow others that did, in all {'; '.join(creeping)} since the best "
            "champion. The next one that does not lose is promoted."
        )
    tasks = [one for one in differences if one["segment"] == ALL]
    shown = "; ".join(map(in_words, tasks))
    if all(one["says"] == "not worse" for one in tasks):
        return "promote", f"The challenger is not worse in any task: {shown}."
    if age_days >= max_age_days:
        return "promote", (
            f"Too few users to tell the two apart ({shown}), and the champion has heard nothing of the last {age_days:.0f} days: fresh histories and new "
            "tracks decide."
        )
    return "keep", (
        f"The champion stays: too few users to tell the two apart ({shown}). Its newest listen is {age_days:.0f} days older "
        f"than the challenger's; from {max_age_days:g} days on the challenger takes its place."
    )


def in_words(one: DifferenceJson) -> str:
    """A difference in words."""
    where = one["task"] if one["segment"] == ALL else f"{one['task']} of {one['segment']}"
    interval = "" if one["low"] is None or one["high"] is None else f" [{one['low']:+.4f}, {one['high']:+.4f}]"
    return f"{where} {MAIN_METRIC} {one['champion']:.4f} -> {one['challenger']:.4f}, {one['difference']:+.4f}{interval}"
