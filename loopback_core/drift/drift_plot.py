"""The weeks of a log, a panel for each statistic, with the limits that its past gave."""

from pathlib import Path

import numpy as np

from loopback_core.drift.drift_json import SeriesJson, WeeksJson
from loopback_core.drift.statistic import STATISTICS
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure

SHOWN_WEEKS = 52
ALARM = "#e03131"

DRIFT_PICTURES = ("drift.png", "drift_shapes.png")
"""Counts and shares; distributions and single users. Two, so that each is small enough for an event log."""


def plot_drift(weeks: WeeksJson, folder: Path) -> None:
    """Write DRIFT_PICTURES into the folder."""
    half = len(STATISTICS) // 2
    for name, statistics in zip(DRIFT_PICTURES, (STATISTICS[:half], STATISTICS[half:]), strict=True):
        _plot(weeks, [statistic.name for statistic in statistics], folder / name)


def _plot(weeks: WeeksJson, names: list[str], path: Path) -> None:
    """The last SHOWN_WEEKS of each statistic that has any value; the new ones are points, red where they raise an alarm."""
    shown = [name for name in names if any(value is not None for value in weeks["series"][name]["value"])]
    alarms = {one["name"] for one in weeks["statistics"] if one["alarm"]}
    days = np.array(weeks["starts"][-SHOWN_WEEKS:], "datetime64[s]")
    with figure(path, width=4.8, height=0.6 + 0.66 * len(shown), rows=len(shown)) as panels:
        for panel, name in zip(panels, shown, strict=True):
            values, lower, upper = (_floats(weeks["series"][name], key) for key in ("value", "lower", "upper"))
            low = np.nanmin(values) if np.isnan(lower).all() else lower
            panel.fill_between(days, low, upper, color=INK, alpha=0.12, lw=0)
            panel.plot(days, values, color=colour(SERVED), lw=1.2)
            new = slice(len(days) - weeks["new_weeks"], None)
            outside = (values > upper) | (values < lower)
            for wrong, ink in ((False, colour(SERVED)), (True, ALARM)):
                marked = outside[new] == wrong
                panel.plot(days[new][marked], values[new][marked], "o", color=ink, ms=5 if wrong else 3)
            panel.set_title(name.replace("_", " "), fontsize=8, color=ALARM if name in alarms else INK)
            panel.tick_params(labelsize=7, labelbottom=panel is panels[-1])
            panel.locator_params(axis="y", nbins=3)
            panel.sharex(panels[-1])
        panels[-1].set_xlabel("week (grey: what the weeks before lead to expect)", fontsize=8)


def _floats(series: SeriesJson, key: str) -> np.ndarray:
    values = series[key][-SHOWN_WEEKS:]  # type: ignore[literal-required]
    return np.array([np.nan if value is None else value for value in values], np.float64)
