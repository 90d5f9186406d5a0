"""The hit rate by place of the list, and over time."""

from pathlib import Path

from loopback_core.evaluation.significance import Mean
from loopback_core.reporting.plots.figure import figure
from loopback_core.reporting.plots.mean_marks import draw_mean
from loopback_core.served_quality.served_quality_json import PositionJson, RateJson, ServedQualityJson

COLOURS_OF_TASKS = {"discovery": "#1c7ed6", "next_listen": "#e8590c"}

MOST_DAYS = 60
"""The newest days that are drawn."""


def plot_served_quality(quality: ServedQualityJson, path: Path) -> None:
    """Two panels, each task in its colour, with 95 % intervals where there are enough users."""
    days = sorted({one["day"] for one in quality["rates"] if one["day"]})[-MOST_DAYS:]
    with figure(path, width=5.6, height=5.0, rows=2) as (by_place, by_day):
        for number, (task, colour) in enumerate(COLOURS_OF_TASKS.items()):
            beside = 0.2 * number
            for one in quality["positions"]:
                if one["task"] == task:
                    draw_mean(by_place, _mean_in(one), one["position"] + beside, colour, size=4, upright=True)
            for rate in quality["rates"]:
                if rate["task"] == task and rate["day"] in days:
                    draw_mean(by_day, _mean_in(rate), days.index(rate["day"]) + beside, colour, size=4, upright=True)
            by_place.plot([], [], "o", color=colour, ms=5, label=task)
        by_place.set(title="Heard within the horizon, by place", xlabel="place in the list", ylabel="% of the tracks")
        by_day.set(title="Answers with a hit among the first 10, by day", ylabel="% of the answers")
        step = max(1, len(days) // 6)
        by_day.set_xticks(range(0, len(days), step), days[::step], size=8)
        for panel in (by_place, by_day):
            panel.set_ylim(bottom=0)
        by_place.legend(fontsize=8, frameon=False)


def _mean_in(one: PositionJson | RateJson) -> Mean:
    """In percent."""
    ends = [None if end is None else 100 * end for end in (one["low"], one["high"])]
    return Mean(value=100 * one["value"], low=ends[0], high=ends[1])
