"""What each choice of the recipe is worth."""

from pathlib import Path

from loopback_core.evaluation.ablation_json import Ablation, recipe_of
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure
from loopback_core.reporting.plots.mean_marks import draw_mean
from loopback_core.tasks.metrics import MAIN_METRIC

MARKS = {"served": ("o", colour(SERVED), 0.14, "what is served"), "alone": ("D", INK, -0.14, "the towers alone")}
"""alone or served -> mark, colour, offset within the row, name in the legend."""


def plot_ablation(ablation: Ablation, path: Path) -> None:
    """nDCG@10 with its interval of every choice, a panel for each task; the first choice is on top."""
    rows, tasks, recipe = ablation["rows"][::-1], list(ablation["users"]), recipe_of(ablation)
    with figure(path, width=5.0, height=0.5 + len(tasks) * (0.6 + 0.18 * len(rows)), rows=len(tasks)) as panels:
        for panel, task in zip(panels, tasks, strict=True):
            for place, row in enumerate(rows):
                for what, (mark, ink, offset, _) in MARKS.items():
                    mean = row["tasks"].get(task, {}).get(what, {}).get(MAIN_METRIC)
                    value = draw_mean(panel, mean, place + offset, ink, mark, size=3)
                    if value is not None and row["choice"] == recipe:
                        panel.axvline(value, color=ink, lw=0.8, ls=":")
            panel.set(title=task.replace("_", " ").capitalize(), ylim=(-0.7, len(rows) - 0.3))
            panel.set_yticks(range(len(rows)), [row["choice"] for row in rows], size=7)
            for label, row in zip(panel.get_yticklabels(), rows, strict=True):
                label.set_fontweight("bold" if row["choice"] == recipe else "normal")
            panel.set_xlim(left=0)
            panel.locator_params(axis="x", nbins=6)
            panel.grid(axis="y", visible=False)
        panels[-1].set_xlabel(f"{MAIN_METRIC} on validation (bar: 95 % interval)")
        for mark, ink, _, name in MARKS.values():
            panels[-1].plot([], [], mark, color=ink, ms=3, label=name)
        panels[-1].legend(
            fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, -2.4 / (len(rows) + 1)), ncols=2
        )
