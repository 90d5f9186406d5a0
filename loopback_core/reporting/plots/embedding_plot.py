"""The artists in the space of the towers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Catalog, Floats
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure
from loopback_core.reporting.safe_text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARTISTS_DRAWN, ARTISTS_NAMED = 300, 45
"""Number of artists, the most played first, that are drawn, and that may be named."""

LONGEST_NAME = 24

AROUND = ((6, 0), (-6, 0), (0, 7), (0, -7), (5, 5), (-5, 5), (5, -5), (-5, -5))
PLACES = [(x * far, y * far, far > 1) for far in (1, 3) for x, y in AROUND]
"""Positions of a name relative to its dot, in points, best first, and whether a line connects them."""

LINE = {"arrowstyle": "-", "lw": 0.5, "color": INK, "alpha": 0.5}


def plot_embedding(vectors: Floats, catalog: Catalog, track_names: pl.DataFrame, path: Path) -> None:
    """The most played artists in the two directions in which their vectors differ most (PCA).

    vectors: (n_tracks, D) of the catalog. track_names: artist, artist_name. The vector of an artist is the mean of its tracks.
    """
    drawn = np.argsort(-catalog.artist_plays, kind="stable")[:ARTISTS_DRAWN]
    points, explained = principal_directions(mean_vectors(vectors, catalog, drawn))
    plays = catalog.artist_plays[drawn]
    named = track_names.filter(pl.col("artist").is_in(drawn[:ARTISTS_NAMED].tolist())).unique("artist")
    names = dict(zip(named["artist"].to_list(), named["artist_name"].to_list(), strict=True))
    with figure(path, width=6.8, height=5.4) as (panel,):
        sizes = 4 + 60 * plays / max(int(plays.max(initial=1)), 1)
        panel.scatter(
            points[ARTISTS_NAMED:, 0], points[ARTISTS_NAMED:, 1], sizes[ARTISTS_NAMED:], color=INK, alpha=0.25, lw=0
        )
        panel.scatter(
            points[:ARTISTS_NAMED, 0],
            points[:ARTISTS_NAMED, 1],
            sizes[:ARTISTS_NAMED],
            color=colour(SERVED),
            alpha=0.7,
            lw=0,
        )
        panel.set(title=f"The {len(drawn)} most played artists in the towers' space")
        panel.set(xlabel=f"first direction ({explained[0]:.0%} of the variance)")
        panel.set(ylabel=f"second direction ({explained[1]:.0%})")
        panel.margins(0.08)
        panel.grid(visible=False)
        panel.set_xticks([])
        panel.set_yticks([])
        _name_dots(
            panel,
            points[:ARTISTS_NAMED],
            [plain(names[artist], LONGEST_NAME) for artist in drawn[:ARTISTS_NAMED].tolist()],
        )


def mean_vectors(vectors: Floats, catalog: Catalog, artists: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean vector of the tracks of each artist, (artists, D)."""
    return np.stack([vectors[catalog.tracks_of_artist[a]].mean(axis=0, dtype=np.float64) for a in artists.tolist()])


def principal_directions(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of (n, D) points along their two directions of largest variance, (n, 2), and its shares, (2,).

    The sign of a direction is arbitrary; it is set so that the largest coordinate is positive.
    """
    left, singular, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    coordinates = np.zeros((len(points), 2))
    n = min(2, len(singular))
    coordinates[:, :n] = left[:, :n] * singular[:n]
    extreme = coordinates[np.abs(coordinates).argmax(axis=0), [0, 1]]
    shares = np.zeros(2)
    shares[:n] = (singular**2 / max(float(np.sum(singular**2)), 1e-12))[:n]
    return coordinates * np.where(extreme < 0, -1, 1), shares


def _name_dots(panel: Axes, points: NDArray[np.float64], names: Sequence[str]) -> None:
    """Names next to their dots; a name that would overlap another is left out."""
    if (whole := panel.get_figure(root=True)) is not None:
        whole.draw_without_rendering()  # fixes the layout, in which the extents are measured
    inside, taken = panel.get_window_extent(), list[Any]()
    for point, name in zip(points, names, strict=True):
        for x, y, is_far in PLACES:
            label = panel.annotate(
                name,
                point,
                (x, y),
                textcoords="offset points",
                ha="left" if x > 0 else "right" if x < 0 else "center",
                va="bottom" if y > 0 else "top" if y < 0 else "center",
                size=7.5,
                arrowprops=LINE if is_far else None,
            )
            box = label.get_window_extent().padded(1)
            if inside.contains(*box.min) and inside.contains(*box.max) and not box.count_overlaps(taken):
                taken.append(box)
                break
            label.remove()
