"""One task of `evaluation.json`: recall by K, the main metric with its intervals, and the same by segment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopback_core.evaluation.evaluation_json import Recommenders
from loopback_core.evaluation.significance import Mean
from loopback_core.recommenders.lists import SERVED, TOWERS_ALONE_ID, is_ours
from loopback_core.reporting.plots.colours import INK, VARIANTS, colour, emphasised, line
from loopback_core.reporting.plots.figure import figure, spread_apart
from loopback_core.reporting.plots.mean_marks import draw_mean
from loopback_core.tasks.metrics import MAIN_METRIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEGMENT_FAMILIES = {
    "tracks": ("head", "mid", "tail"),
    "users by listens": ("light", "medium", "heavy"),
    "users by repeats": ("repeaters", "explorers"),
}


def plot_recall(recommenders: Recommenders, rival: str | None, path: Path, title: str) -> None:
    """Recall by K on logarithmic axes; emphasised recommenders are named at the end of their line, the others are grey."""
    measured = {name: _recall(metrics or {}) for name, metrics in recommenders.items()}
    curves = {
        name: {k: mean["value"] or np.nan for k, mean in recall.items()}  # a logarithmic axis has no zero
        for name, recall in measured.items()
        if name not in VARIANTS and any(mean["value"] for mean in recall.values())
    }
    in_colour = emphasised(curves, rival)
    with figure(path) as (panel,):
        panel.set(title=title, xlabel="K", ylabel="recall@K", xscale="log", yscale="log")
        for name, curve in curves.items():
            ks, values = list(curve), list(curve.values())
            if name in in_colour:
                style, width = line(name)
                panel.plot(ks, values, style, marker=".", color=colour(name), lw=width, zorder=3)
            else:
                panel.plot(ks, values, color=INK, alpha=0.25, lw=0.8)
        _shade_interval(panel, measured.get(SERVED, {}), SERVED)
        every_k = sorted({k for curve in curves.values() for k in curve})
        panel.set_xticks(every_k, [str(k) for k in every_k], size=8)
        panel.minorticks_off()
        panel.yaxis.set_major_formatter("{x:g}")
        low, high = np.log(panel.get_ylim())
        ends = [(np.log(np.nanmax(list(curves[name].values()))) - low) / (high - low) for name in in_colour]
        for name, place in zip(in_colour, spread_apart(ends, 0.07), strict=True):
            weight = "bold" if is_ours(name) else "normal"
            panel.annotate(
                name, (1.02, place), xycoords="axes fraction", va="center", color=colour(name), weight=weight, size=8
            )


def plot_main_metric(recommenders: Recommenders, rival: str | None, path: Path, title: str) -> None:
    """nDCG@10 with its interval of every recommender that answered the task, best on top."""
    means = {name: metrics[MAIN_METRIC] for name, metrics in recommenders.items() if metrics and MAIN_METRIC in metrics}
    values = {name: value for name, mean in means.items() if (value := mean["value"]) is not None}
    if means.get(TOWERS_ALONE_ID) == means.get(SERVED):
        values.pop(TOWERS_ALONE_ID, None)
    listed = sorted(values, key=lambda name: values[name])
    with figure(path, height=1.0 + 0.19 * len(listed)) as (panel,):
        for row, name in enumerate(listed):
            draw_mean(panel, means[name], row, colour(name), "D" if name == rival else "o")
            if name == SERVED:
                panel.axvline(values[name], color=colour(name), lw=0.8, ls=":")
        panel.set(title=title, xlabel=f"{MAIN_METRIC} (bar: 95 % interval)", ylim=(-0.7, len(listed) - 0.3))
        panel.set_yticks(range(len(listed)), [name + " (rival)" * (name == rival) for name in listed], size=8)
        for label, name in zip(panel.get_yticklabels(), listed, strict=True):
            label.set_fontweight("bold" if is_ours(name) else "normal")
        panel.set_xlim(left=0)
        panel.locator_params(axis="x", nbins=6)
        panel.grid(axis="y", visible=False)


def plot_segments(segments: Mapping[str, Recommenders], rival: str | None, path: Path, title: str) -> None:
    """nDCG@10 with its interval by segment of the tracks and of the users: the towers, the rival, plain popularity.

    segments: segment -> recommender -> metric -> mean.
    """
    present = {name for recommenders in segments.values() for name, metrics in recommenders.items() if metrics}
    names = [name for name in (SERVED, rival, "popularity_users") if name in present]
    shown = {family: [s for s in members if s in segments] for family, members in SEGMENT_FAMILIES.items()}
    with figure(path, width=5.2, height=3.6) as (panel,):
        places: dict[str, float] = {}
        right = 0.0
        for family, members in shown.items():
            step = max(1.0, 0.14 * max(map(len, members), default=0))  # long names need room
            centres = [right + 0.5 + step * i for i in range(1, len(members) + 1)]
            right = centres[-1] if centres else right
            places.update(zip(members, centres, strict=True))
            if centres:
                panel.text(
                    sum(centres) / len(centres),
                    -0.12,
                    family,
                    transform=panel.get_xaxis_transform(),
                    ha="center",
                    va="top",
                    size=8,
                )
        for offset, name in enumerate(names):
            marker = "D" if name == rival else "o"
            panel.plot([], [], marker, color=colour(name), label=name + " (rival)" * (name == rival))
            for segment, place in places.items():
                mean = (segments[segment].get(name) or {}).get(MAIN_METRIC)
                x = place + 0.22 * (offset - (len(names) - 1) / 2)
                draw_mean(panel, mean, x, colour(name), marker, upright=True)
        panel.set(title=title, ylabel=MAIN_METRIC)
        panel.set_xticks(list(places.values()), list(places), size=7)
        panel.set_ylim(bottom=0)
        panel.grid(axis="x", visible=False)
        panel.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.22), ncols=3)


def _recall(metrics: Mapping[str, Mean]) -> dict[int, Mean]:
    """K -> recall@K, ascending; only what was measured."""
    recall = {
        int(metric.removeprefix("recall@")): mean
        for metric, mean in metrics.items()
        if metric.startswith("recall@") and mean["value"] is not None
    }
    return dict(sorted(recall.items()))


def _shade_interval(panel: Axes, recall: Mapping[int, Mean], name: str) -> None:
    ks = [k for k, mean in recall.items() if mean["low"]]  # a logarithmic axis has no zero
    if ks:
        low, high = [recall[k]["low"] or np.nan for k in ks], [recall[k]["high"] or np.nan for k in ks]
        panel.fill_between(ks, low, high, color=colour(name), alpha=0.15, lw=0)
