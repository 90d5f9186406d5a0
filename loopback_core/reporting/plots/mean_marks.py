"""A mean with its interval, as a mark on a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loopback_core.evaluation.significance import Mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_mean(
    panel: Axes,
    mean: Mean | None,
    place: float,
    colour: str,
    mark: str = "o",
    size: float = 5,
    *,
    upright: bool = False,
) -> float | None:
    """Draw the value and, where there is one, its interval; returns the value, None where nothing was measured.

    place: on the other axis: the row, or the column where the bars stand upright.
    """
    if mean is None or (value := mean["value"]) is None:
        return None
    low, high = mean["low"], mean["high"]
    if low is not None and high is not None:
        ends = ([place, place], [low, high]) if upright else ([low, high], [place, place])
        panel.plot(*ends, color=colour, lw=0.4 * size, alpha=0.6, solid_capstyle="round")
    panel.plot(*([place], [value]) if upright else ([value], [place]), mark, color=colour, ms=size)
    return value
