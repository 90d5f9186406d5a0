"""The paired differences at several moments beside those of the official cut."""

from collections.abc import Mapping
from pathlib import Path

from loopback_core.evaluation.evaluation_json import Comparisons
from loopback_core.evaluation.significance import Mean
from loopback_core.recommenders.lists import RANDOM, SERVED
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure
from loopback_core.reporting.plots.mean_marks import draw_mean
from loopback_core.tasks.metrics import MAIN_METRIC

MARKS_OF_MOMENTS = (("o", INK), ("D", colour(SERVED)), ("s", "#2f86d6"))
"""Mark and colour of each column of differences, in order."""


def plot_moments(columns: Mapping[str, Comparisons], rival: str | None, path: Path, title: str) -> None:
    """nDCG@10 of the towers minus each baseline with its interval, the closest baseline on top.

    columns: name in the legend -> the comparisons, at most three; the first is the official cut, by which rows are sorted.
    """
    first = next(iter(columns.values()))
    differences = {name: of[MAIN_METRIC]["difference"] for name, of in first.items() if name != RANDOM}
    listed = sorted(differences, key=lambda name: -differences[name])
    with figure(path, height=1.4 + 0.26 * len(listed)) as (panel,):
        for number, ((mark, ink), (label, of)) in enumerate(zip(MARKS_OF_MOMENTS, columns.items(), strict=False)):
            panel.plot([], [], mark, color=ink, ms=4, label=label)
            for row, name in enumerate(listed):
                if name in of:
                    one = of[name][MAIN_METRIC]
                    mean = Mean(value=one["difference"], low=one["low"], high=one["high"])
                    draw_mean(panel, mean, row + 0.25 * (1 - number), ink, mark, size=4)
        panel.axvline(0, color=INK, lw=0.8, ls=":")
        panel.set(title=title, xlabel=f"{MAIN_METRIC}: {SERVED} minus it", ylim=(-0.7, len(listed) - 0.3))
        panel.set_yticks(range(len(listed)), [name + " (rival)" * (name == rival) for name in listed], size=8)
        panel.locator_params(axis="x", nbins=4)
        panel.grid(axis="y", visible=False)
        panel.figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
