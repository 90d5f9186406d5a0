"""What `evaluation.json` says of one task, drawn: recall by K, the main metric with its intervals, and by segment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopback_core.recommenders.lists import TOWERS
from loopback_core.reporting.plots.colours import INK, VARIANTS, colour, line, standing_out
from loopback_core.reporting.plots.figure import figure, spread
from loopback_core.tasks.metrics import MAIN_METRIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Recommenders = Mapping[str, Mapping[str, Mapping[str, Any]] | None]
"""recommender -> metric -> value, low, high; a recommender that cannot answer the task is None."""

SEGMENTS = {
    "tracks": ("head", "mid", "tail"),
    "users by listens": ("light", "medium", "heavy"),
    "users by repeats": ("repeaters", "explorers"),
}


def plot_recall(recommenders: Recommenders, rival: str | None, path: Path, title: str) -> None:
    """Recall by K on logarithmic axes; who stands out is named at the end of the line, the others are pale."""
    curves = {name: _recall(metrics or {}) for name, metrics in recommenders.items() if name not in VARIANTS}
    curves = {name: curve for name, curve in curves.items() if any(curve.values())}
    emphasised = standing_out(curves, rival)
    with figure(path) as (panel,):
        panel.set(title=title, xlabel="K", ylabel="recall@K", xscale="log", yscale="log")
        for name, curve in curves.items():
            ks, values = list(curve), [value or np.nan for value in curve.values()]  # a logarithmic axis has no zero
            if name in emphasised:
                style, width = line(name)
                panel.plot(ks, values, style, marker=".", color=colour(name), lw=width, zorder=3)
            else:
                panel.plot(ks, values, color=INK, alpha=0.25, lw=0.8)
        _shade_interval(panel, recommenders.get(TOWERS) or {}, TOWERS)
        every_k = sorted({k for curve in curves.values() for k in curve})
        panel.set_xticks(every_k, [str(k) for k in every_k], size=8)
        panel.minorticks_off()
        panel.yaxis.set_major_formatter("{x:g}")
        low, high = np.log(panel.get_ylim())
        ends = [(np.log(max(curves[name].values())) - low) / (high - low) for name in emphasised]
        for name, place in zip(emphasised, spread(ends, 0.07), strict=True):
            weight = "bold" if name.startswith(TOWERS) else "normal"
            panel.annotate(
                name, (1.02, place), xycoords="axes fraction", va="center", color=colour(name), weight=weight, size=8
            )


def plot_main_metric(recommenders: Recommenders, rival: str | None, path: Path, title: str) -> None:
    """nDCG@10 with its interval of everyone who answered the task, best on top."""
    means = {name: (metrics or {}).get(MAIN_METRIC, {}) for name, metrics in recommenders.items()}
    same = means.get("two_tower_alone") == means.get(TOWERS)
    listed = [name for name, mean in means.items() if mean.get("value") is not None]
    listed = [name for name in listed if name != "two_tower_alone" or not same]
    listed.sort(key=lambda name: means[name]["value"] or 0.0)
    with figure(path, height=1.0 + 0.19 * len(listed)) as (panel,):
        for row, name in enumerate(listed):
            mean, value = means[name], means[name]["value"]
            if mean["low"] is not None:
                panel.plot(
                    [mean["low"], mean["high"]], [row, row], color=colour(name), lw=2, alpha=0.6, solid_capstyle="round"
                )
            panel.plot([value], [row], "D" if name == rival else "o", color=colour(name), ms=5)
            if name == TOWERS:
                panel.axvline(value, color=colour(name), lw=0.8, ls=":")
        panel.set(title=title, xlabel=f"{MAIN_METRIC} (bar: 95 % interval)", ylim=(-0.7, len(listed) - 0.3))
        panel.set_yticks(range(len(listed)), [name + " (rival)" * (name == rival) for name in listed], size=8)
        for label, name in zip(panel.get_yticklabels(), listed, strict=True):
            label.set_fontweight("bold" if name.startswith(TOWERS) else "normal")
        panel.set_xlim(left=0)
        panel.locator_params(axis="x", nbins=6)
        panel.grid(axis="y", visible=False)


def plot_segments(segments: Mapping[str, Recommenders], rival: str | None, path: Path, title: str) -> None:
    """nDCG@10 with its interval for a part of the tracks or of the users: the towers, the rival, plain popularity.

    segments: segment -> recommender -> metric -> mean.
    """
    present = {name for recommenders in segments.values() for name, metrics in recommenders.items() if metrics}
    names = [name for name in (TOWERS, rival, "popularity_users") if name in present]
    shown = {family: [s for s in members if s in segments] for family, members in SEGMENTS.items()}
    with figure(path, width=5.2, height=3.6) as (panel,):
        places: dict[str, float] = {}
        right = 0.0
        for family, members in shown.items():
            step = max(1.0, 0.14 * max(map(len, members), default=0))  # long names need room
            here = [right + 0.5 + step * i for i in range(1, len(members) + 1)]
            right = here[-1] if here else right
            places.update(zip(members, here, strict=True))
            if here:
                panel.text(
                    sum(here) / len(here),
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
                mean = (segments[segment].get(name) or {}).get(MAIN_METRIC, {})
                x = place + 0.22 * (offset - (len(names) - 1) / 2)
                if (value := mean.get("value")) is not None:
                    panel.plot([x], [value], marker, color=colour(name), ms=5)
                if mean.get("low") is not None:
                    panel.plot([x, x], [mean["low"], mean["high"]], color=colour(name), lw=2, alpha=0.6)
        panel.set(title=title, ylabel=MAIN_METRIC)
        panel.set_xticks(list(places.values()), list(places), size=7)
        panel.set_ylim(bottom=0)
        panel.grid(axis="x", visible=False)
        panel.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.22), ncols=3)


def _recall(metrics: Mapping[str, Mapping[str, Any]]) -> dict[int, float]:
    """K -> recall@K, ascending."""
    found = {
        int(metric.removeprefix("recall@")): mean["value"]
        for metric, mean in metrics.items()
        if metric.startswith("recall@")
    }
    return dict(sorted(found.items()))


def _shade_interval(panel: Axes, metrics: Mapping[str, Mapping[str, Any]], name: str) -> None:
    ks = [k for k in _recall(metrics) if metrics[f"recall@{k}"].get("low")]
    low, high = ([metrics[f"recall@{k}"][end] or np.nan for k in ks] for end in ("low", "high"))
    if ks:
        panel.fill_between(ks, low, high, color=colour(name), alpha=0.15, lw=0)
