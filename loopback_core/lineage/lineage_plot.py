"""Quality against the time of a query, with the Pareto front."""

from pathlib import Path

from loopback_core.lineage.lineage_json import FamilyRow, Lineage
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure
from loopback_core.reporting.plots.mean_marks import draw_mean
from loopback_core.tasks.metrics import MAIN_METRIC


def plot_lineage(lineage: Lineage, path: Path) -> None:
    """nDCG@10 with its interval against p99 of every family, a panel for each task; the front is a line in colour."""
    tasks = [task for task, users in lineage["users"].items() if users]
    if not tasks:
        return
    with figure(path, width=5.6, height=0.4 + 2.8 * len(tasks), rows=len(tasks)) as panels:
        for panel, task in zip(panels, tasks, strict=True):
            rows = [row for row in lineage["rows"] if task in row["tasks"] and "p99_ms" in row["costs"]]
            front = sorted((row for row in rows if row["on_front"].get(task)), key=_milliseconds)
            panel.step(
                [*map(_milliseconds, front)],
                [_value(row, task) for row in front],
                where="post",
                color=colour(SERVED),
                lw=1,
            )
            for row in rows:
                ink = colour(SERVED) if row["on_front"].get(task) else INK
                draw_mean(panel, row["tasks"][task][MAIN_METRIC], _milliseconds(row), ink, size=4, upright=True)
                place = (_milliseconds(row), _value(row, task))
                panel.annotate(row["family"], place, xytext=(5, 3), textcoords="offset points", fontsize=7, color=ink)
            panel.set(title=task.replace("_", " ").capitalize(), ylabel=f"{MAIN_METRIC} on validation")
            panel.margins(x=0.2)  # names stand to the right of their marks
            panel.set_xlim(left=0)
        panels[-1].set_xlabel(f"p99 of a query on one core, ms, {lineage['tracks']:,} tracks (line: Pareto front)")


def _milliseconds(row: FamilyRow) -> float:
    return row["costs"]["p99_ms"]


def _value(row: FamilyRow, task: str) -> float:
    return row["tasks"][task][MAIN_METRIC]["value"] or 0.0
