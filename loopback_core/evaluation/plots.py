"""The pictures of the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loopback_core.recommender import NOTHING, Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from loopback_core.evaluation.evaluator import Mean
    from loopback_core.training.checkpoint import Epoch

TOWERS_COLOUR, BASELINE_COLOURS = "#c2410c", ("#1d4ed8", "#0f766e", "#7c3aed", "#64748b", "#a16207", "#0891b2")
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


@contextmanager
def _figure(path: Path, columns: int = 1) -> Iterator[list[Axes]]:
    """Axes side by side; saved to `path` when the block ends. No display is needed."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * columns, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        yield list(figure.subplots(1, columns, squeeze=False)[0])
        figure.savefig(path)


def plot_training(history: Sequence[Epoch], metric: str, path: Path) -> None:
    """Loss and validation metric by epoch."""
    epochs = [epoch.epoch for epoch in history]
    with _figure(path, columns=2) as (left, right):
        left.plot(epochs, [epoch.loss for epoch in history], marker="o", color=TOWERS_COLOUR)
        left.set(xlabel="epoch", ylabel="training loss (nats)", xticks=epochs)
        values = [epoch.validation[metric] for epoch in history]
        right.plot(epochs, values, marker="o", color=TOWERS_COLOUR)
        right.set(xlabel="epoch", ylabel=f"validation {metric}", xticks=epochs)
        right.set_ylim(bottom=0)


def plot_recall(tasks: Mapping[str, Mapping[str, Mapping[str, Mean] | None]], ks: Sequence[int], path: Path) -> None:
    """Recall by K of the towers and the baselines, a panel per task, on logarithmic axes.

    tasks: task -> recommender -> metric -> mean. Recommenders that cannot answer a task are left out.
    """
    with _figure(path, columns=len(tasks)) as panels:
        for panel, (task, recommenders) in zip(panels, tasks.items(), strict=True):
            colours = iter(BASELINE_COLOURS * 3)
            for name, metrics in recommenders.items():
                if metrics is None or name == "two_tower_index":
                    continue
                points = [metrics[f"recall@{k}"] for k in ks]
                values = _visible(point.value for point in points)
                if name == "two_tower":
                    panel.plot(ks, values, marker="o", color=TOWERS_COLOUR, linewidth=2.2, label=name, zorder=3)
                    low, high = _visible(p.low for p in points), _visible(p.high for p in points)
                    if points[0].low is not None:
                        panel.fill_between(list(ks), low, high, color=TOWERS_COLOUR, alpha=0.15)
                else:
                    style = ":" if name == "random" else "-"
                    panel.plot(ks, values, style, marker=".", color=next(colours), linewidth=1, label=name)
            panel.set(title=task, xlabel="K", ylabel="recall@K", xscale="log", yscale="log")
            panel.set_xticks(ks, [str(k) for k in ks])
            panel.minorticks_off()
            panel.legend(fontsize=6.5, framealpha=0.6)


def _visible(values: Iterable[float | None]) -> list[float]:
    """A logarithmic axis has no zero."""
    return [max(value or 0.0, 1e-5) for value in values]


def plot_popularity(
    listeners: NDArray[np.int64], played: NDArray[np.int64], rankings: Mapping[str, Ranking], k: int, path: Path
) -> None:
    """How popular what is recommended is, against what is played: cumulative shares over the catalog.

    listeners: (n,) distinct users of each track in the fit data. played: (total,) tracks that were played in test.
    rankings: recommender -> its lists, of which the first k count.
    """
    with _figure(path) as (panel,):
        colours = iter(BASELINE_COLOURS)
        for name, tracks in {"played in test": played, **_recommended(rankings, k)}.items():
            if not len(tracks):
                continue
            values, counts = np.unique(listeners[tracks], return_counts=True)
            colour = {"played in test": "#111827", "two_tower": TOWERS_COLOUR}.get(name) or next(colours)
            width = 2.2 if name in ("played in test", "two_tower") else 1
            panel.step(
                values, np.cumsum(counts) / counts.sum(), where="post", color=colour, linewidth=width, label=name
            )
        panel.set(
            xlabel="listeners of the track in the fit data",
            ylabel="share of tracks with at most that many",
            xscale="log",
            ylim=(0, 1.02),
            title=f"popularity of the first {k} in discovery",
        )
        panel.legend(fontsize=7, framealpha=0.6)


def _recommended(rankings: Mapping[str, Ranking], k: int) -> dict[str, NDArray[np.int64]]:
    first = {name: ranking.tracks[:, :k].ravel() for name, ranking in rankings.items() if name != "two_tower_index"}
    return {name: tracks[tracks != NOTHING] for name, tracks in first.items()}
