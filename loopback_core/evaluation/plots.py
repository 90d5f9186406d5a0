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

TOWERS = "two_tower"
COLOURS = {
    TOWERS: "#c2410c",
    "random": "#94a3b8",
    "popularity_users": "#1d4ed8",
    "popularity_plays": "#60a5fa",
    "popularity_decayed": "#0891b2",
    "personal_most_played": "#15803d",
    "personal_most_recent": "#84cc16",
    "personal_decayed": "#0f766e",
    "recent_artist": "#7c3aed",
}
"""The same in every picture; families of baselines in shades of one hue."""

PLAYED = "played in test"
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
        figure = Figure(figsize=(5.4 * columns, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        yield list(figure.subplots(1, columns, squeeze=False)[0])
        figure.savefig(path)


def plot_training(losses: Sequence[float], values: Sequence[float], metric: str, path: Path) -> None:
    """Training loss and validation metric by epoch."""
    epochs = range(1, len(losses) + 1)
    with _figure(path, columns=2) as (left, right):
        left.plot(epochs, losses, marker="o", color=COLOURS[TOWERS])
        left.set(xlabel="epoch", ylabel="training loss (nats)", xticks=epochs)
        right.plot(epochs, values, marker="o", color=COLOURS[TOWERS])
        right.set(xlabel="epoch", ylabel=f"validation {metric}", xticks=epochs, ylim=(0, 1.1 * max(*values, 1e-9)))


def plot_recall(tasks: Mapping[str, Mapping[str, Mapping[str, Mean] | None]], ks: Sequence[int], path: Path) -> None:
    """Recall by K of the towers and the baselines, a panel per task, on logarithmic axes.

    tasks: task -> recommender -> metric -> mean. Recommenders that cannot answer a task are left out.
    """
    with _figure(path, columns=len(tasks)) as panels:
        for panel, (task, recommenders) in zip(panels, tasks.items(), strict=True):
            # Best first, so that the legend reads in the order of the lines.
            measured = {name: [m[f"recall@{k}"] for k in ks] for name, m in recommenders.items() if m is not None}
            for name in sorted(measured, key=lambda name: -(measured[name][-1].value or 0)):
                if name == "two_tower_index":
                    continue
                points, emphasis = measured[name], name == TOWERS
                style = ":" if name == "random" else "-"
                values = _visible(point.value for point in points)
                width, order = (2.4, 3) if emphasis else (1.1, 2)
                panel.plot(ks, values, style, marker=".", color=_colour(name), lw=width, zorder=order, label=name)
                if emphasis and points[0].low is not None:
                    low, high = _visible(p.low for p in points), _visible(p.high for p in points)
                    panel.fill_between(list(ks), low, high, color=_colour(name), alpha=0.15)
            panel.set(title=task, xlabel="K", ylabel="recall@K", xscale="log", yscale="log")
            panel.set_xticks(ks, [str(k) for k in ks])
            panel.minorticks_off()
            panel.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def plot_popularity(
    listeners: NDArray[np.int64], played: NDArray[np.int64], rankings: Mapping[str, Ranking], k: int, path: Path
) -> None:
    """How popular what is recommended is, against what is played: cumulative shares over the catalog.

    listeners: (n,) distinct users of each track in the fit data. played: (total,) tracks that were played in test.
    rankings: recommender -> its lists, of which the first k count.
    """
    last = max(int(listeners.max(initial=1)), 1)
    with _figure(path) as (panel,):
        for name, tracks in {PLAYED: played, **_recommended(rankings, k)}.items():
            if len(tracks):
                values, counts = np.unique(listeners[tracks], return_counts=True)
                shares = np.cumsum(counts) / counts.sum()
                width = 2.4 if name in (PLAYED, TOWERS) else 1.1
                line = np.append(values, last), np.append(shares, 1.0)  # each line runs to the right edge
                panel.step(*line, where="post", color=_colour(name), lw=width, label=name)
        panel.set(
            xlabel="listeners of the track in the fit data",
            ylabel="share of tracks with at most that many",
            xscale="log",
            ylim=(0, 1.02),
            title=f"popularity of the first {k} in discovery",
        )
        panel.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _colour(name: str) -> str:
    return COLOURS.get(name, "#111827")


def _visible(values: Iterable[float | None]) -> list[float]:
    """A logarithmic axis has no zero."""
    return [max(value or 0.0, 1e-5) for value in values]


def _recommended(rankings: Mapping[str, Ranking], k: int) -> dict[str, NDArray[np.int64]]:
    first = {name: ranking.tracks[:, :k].ravel() for name, ranking in rankings.items() if name != "two_tower_index"}
    return {name: tracks[tracks != NOTHING] for name, tracks in first.items()}
