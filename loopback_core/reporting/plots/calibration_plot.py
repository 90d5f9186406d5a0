"""The hits of random lists against the closed form."""

from pathlib import Path

from loopback_core.evaluation.evaluation_json import CalibrationJson
from loopback_core.recommenders.lists import RANDOM
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure


def plot_calibration(calibration: CalibrationJson, path: Path) -> None:
    """Observed over expected counts with the accepted range, a row per task and metric."""
    rows = [
        (f"{task.replace('_', ' ')}, {metric}", count)
        for task, metrics in calibration["tasks"].items()
        for metric, count in metrics.items()
        if count["expected"]
    ][::-1]
    with figure(path, height=1.1 + 0.21 * len(rows)) as (panel,):
        for place, (_, count) in enumerate(rows):
            low, high, observed = (n / count["expected"] for n in (count["low"], count["high"], count["observed"]))
            panel.plot([low, high], [place, place], color=INK, alpha=0.25, lw=5, solid_capstyle="butt")
            panel.plot([observed], [place], "o", color=colour(RANDOM) if low <= observed <= high else "#e03131", ms=5)
        panel.axvline(1.0, color=INK, lw=0.8, ls=":")
        panel.set(
            title="Hits of random lists", xlabel="observed / expected (bar: accepted)", ylim=(-0.7, len(rows) - 0.3)
        )
        panel.set_yticks(range(len(rows)), [f"{name}  ({count['observed']:,.0f})" for name, count in rows], size=8)
        panel.grid(axis="y", visible=False)
