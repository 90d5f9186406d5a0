"""The challenger against the champion, a row for every task and segment."""

from collections.abc import Sequence
from pathlib import Path

from loopback_core.evaluation.significance import Mean
from loopback_core.promotion.comparing import ALL
from loopback_core.promotion.promotion_json import DifferenceJson
from loopback_core.reporting.plots.colours import INK
from loopback_core.reporting.plots.figure import figure
from loopback_core.reporting.plots.mean_marks import draw_mean
from loopback_core.tasks.metrics import MAIN_METRIC

COLOURS_OF_WORDS = {"not worse": "#2b8a3e", "worse": "#c92a2a", "nothing": "#7d858c"}


def plot_promotion(differences: Sequence[DifferenceJson], path: Path) -> None:
    """Differences in percent of the champion's value, with intervals and the margin; the tasks as a whole in bold."""
    rows = [one for one in differences if one["champion"] > 0][::-1]
    with figure(path, width=5.6, height=1.2 + 0.24 * len(rows)) as (panel,):
        for place, one in enumerate(rows):
            of_champion = 100 / one["champion"]
            low, high = one["low"], one["high"]
            mean = Mean(
                value=one["difference"] * of_champion,
                low=None if low is None else low * of_champion,
                high=None if high is None else high * of_champion,
            )
            whole = one["segment"] == ALL
            draw_mean(panel, mean, place, COLOURS_OF_WORDS[one["says"]], size=7 if whole else 4)
        for says, colour in COLOURS_OF_WORDS.items():
            panel.plot([], [], "o", color=colour, ms=5, label="cannot tell" if says == "nothing" else says)
        panel.axvline(0, color=INK, lw=0.8)
        margin = max((100 * one["margin"] / one["champion"] for one in rows), default=0.0)
        panel.axvline(-margin, color=INK, lw=0.8, ls=":")
        names = [one["task"] if one["segment"] == ALL else f"{one['segment']} ({one['users']:,})" for one in rows]
        panel.set_yticks(range(len(rows)), names, size=8)
        for label, one in zip(panel.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if one["segment"] == ALL else "normal")
        panel.set(
            title="Challenger against champion",
            xlabel=f"{MAIN_METRIC}, difference in % of the champion; dotted: the margin",
            ylim=(-0.7, len(rows) - 0.3),
        )
        panel.grid(axis="y", visible=False)
        panel.figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
