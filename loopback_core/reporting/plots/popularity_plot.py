"""The popularity of recommended tracks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Ranking
from loopback_core.reporting.plots.colours import INK, VARIANTS, colour, emphasised, line
from loopback_core.reporting.plots.figure import figure

PLAYED = "played in test"


def plot_popularity(
    listeners: NDArray[np.int64],
    played: NDArray[np.int64],
    rankings: Mapping[str, Ranking],
    k: int,
    path: Path,
    rival: str | None = None,
) -> None:
    """The popularity of recommended and of played tracks: cumulative shares over the catalog.

    listeners: (n,) distinct users of each track in the fit data. played: (total,) tracks that were played in test.
    rankings: recommender -> its lists, of which the first k count.
    """
    last = max(int(listeners.max(initial=1)), 1)
    in_colour = (PLAYED, *emphasised(rankings, rival))
    with figure(path, height=3.6) as (panel,):
        for name, tracks in {PLAYED: played, **_recommended(rankings, k)}.items():
            if not len(tracks):
                continue
            values, counts = np.unique(listeners[tracks], return_counts=True)
            shares = np.cumsum(counts) / counts.sum()
            steps = np.append(values, last), np.append(shares, 1.0)  # each line runs to the right edge
            if name in in_colour:
                style, width = ("--", 2.2) if name == PLAYED else line(name)
                panel.step(*steps, style, where="post", color=colour(name), lw=width, label=name, zorder=3)
            else:
                panel.step(*steps, where="post", color=INK, alpha=0.25, lw=0.8)
        panel.set(
            xlabel="listeners of the track in the fit data",
            ylabel="share of tracks with at most that many",
            xscale="log",
            ylim=(0, 1.02),
            title=f"Popularity of the first {k}",
        )
        panel.xaxis.set_major_formatter("{x:g}")
        panel.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)


def _recommended(rankings: Mapping[str, Ranking], k: int) -> dict[str, NDArray[np.int64]]:
    first = {name: ranking.tracks[:, :k].ravel() for name, ranking in rankings.items() if name not in VARIANTS}
    return {name: tracks[tracks != NOTHING] for name, tracks in first.items()}
