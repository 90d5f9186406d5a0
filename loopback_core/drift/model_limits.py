"""Limits of what a new bundle may differ by from the one in service: from the comparisons that were made before.

Each figure of a comparison is measured against the others of its kind: its distance from their middle, divided by how far they spread.
The largest distance of a comparison is one number. A new one raises an alarm where that is above nearly all of those of the past, each of
which was measured against the rest. So the share of false alarms holds for all figures together, as for weeks (`week_limits.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loopback_core.drift.week_limits import CAUTION, how_much_larger, threshold_of
from loopback_core.settings import DriftSettings

Figures = Mapping[str, float]
"""Name -> value: `overlap`, and of each task `TASK changed`, `TASK popularity` and `TASK distinct`; a comparison may lack some."""

LEAST_COMPARISONS, MOST_COMPARISONS = 8, 52
"""Earlier comparisons, below which the settings are the limits; and that are kept."""

LEAST_SPREAD = 0.02
"""The least spread of a figure, on the scale on which it is compared: two hundredths of a ratio, one or two of a share."""


LEAST_THRESHOLD = 2.0
"""Spreads from the middle that are ordinary in any past: one in which nothing differed says little of the next retrain."""


@dataclass(frozen=True)
class FigureLimit:
    """Between what a figure is ordinary; infinite where any value is on that side."""

    lower: float
    upper: float


@dataclass(frozen=True)
class ModelLimits:
    """The limit of each figure."""

    comparisons: int  # that they come from; 0: from the settings
    of: Mapping[str, FigureLimit]

    def exceeded(self, figures: Figures) -> dict[str, FigureLimit]:
        """The figures beyond their limit, with it."""
        return {
            name: limit
            for name, value in figures.items()
            if (limit := self.of.get(name)) is not None and not limit.lower <= value <= limit.upper
        }


def limits_of_models(names: Sequence[str], past: Sequence[Figures], settings: DriftSettings) -> ModelLimits:
    """The limits of some figures.

    past: earlier comparisons. Where they are fewer than LEAST_COMPARISONS, or so few have a figure, the settings are its limit.
    """
    used = past[-MOST_COMPARISONS:]
    if len(used) < LEAST_COMPARISONS:
        return ModelLimits(0, {name: _of_settings(name, settings) for name in names})
    largest = np.array([_largest(one, [*used[:i], *used[i + 1 :]]) for i, one in enumerate(used)])
    threshold = max(threshold_of(largest, 1 - settings.false_alarms / CAUTION), LEAST_THRESHOLD)
    return ModelLimits(
        len(used),
        {
            name: _around(name, values, threshold)
            if len(values := _values(name, used)) >= LEAST_COMPARISONS
            else _of_settings(name, settings)
            for name in names
        },
    )


def _of_settings(name: str, settings: DriftSettings) -> FigureLimit:
    match _kind(name):
        case "overlap":
            return FigureLimit(settings.least_overlap, np.inf)
        case "changed":
            return FigureLimit(-np.inf, settings.most_changed_lists)
        case _:
            return FigureLimit(1 / settings.largest_ratio, settings.largest_ratio)


def _kind(name: str) -> Literal["overlap", "changed", "ratio"]:
    if name == "overlap":
        return "overlap"
    return "changed" if name.endswith("changed") else "ratio"


def _scaled(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """On the scale on which a figure is compared: of a share its errors do not depend on its size (Anscombe 1948)."""
    return np.log(values) if _kind(name) == "ratio" else np.arcsin(np.sqrt(values))


def _plain(name: str, scaled: float) -> float:
    return float(np.exp(scaled) if _kind(name) == "ratio" else np.sin(np.clip(scaled, 0, np.pi / 2)) ** 2)


def _values(name: str, past: Sequence[Figures]) -> NDArray[np.float64]:
    return _scaled(name, np.array([one[name] for one in past if name in one], np.float64))


def _middle_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, LEAST_SPREAD * how_much_larger((values - middle) / LEAST_SPREAD)


def _largest(one: Figures, others: Sequence[Figures]) -> float:
    """The largest distance of the figures of a comparison from those of others, in the directions that raise alarms."""
    distances = [0.0]
    for name, value in one.items():
        if len(values := _values(name, others)) > 1:
            middle, spread = _middle_and_spread(values)
            distance = (float(_scaled(name, np.array(value))) - middle) / spread
            distances.append({"overlap": -distance, "changed": distance, "ratio": abs(distance)}[_kind(name)])
    return max(distances)


def _around(name: str, values: NDArray[np.float64], threshold: float) -> FigureLimit:
    """values: on the scale of the figure."""
    middle, spread = _middle_and_spread(values)
    lower, upper = _plain(name, middle - threshold * spread), _plain(name, middle + threshold * spread)
    match _kind(name):
        case "overlap":
            return FigureLimit(lower, np.inf)
        case "changed":
            return FigureLimit(-np.inf, upper)
        case _:
            return FigureLimit(lower, upper)
