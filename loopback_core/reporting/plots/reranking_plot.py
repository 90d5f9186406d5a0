"""What diversity costs: nDCG@10 against the distance between the first tracks, along the dial of every method."""

from pathlib import Path

from loopback_core.evaluation.reranking_json import DialPointJson, RerankingJson
from loopback_core.recommenders.lists import RERANKED, TOWERS
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure
from loopback_core.tasks.metrics import MAIN_METRIC

INK_OF_METHOD = {"mmr": colour(TOWERS), "dpp": "#2f86d6", "calibrated": "#2b8a3e"}

AXES = {"distance": "mean distance of two of the first 10 tracks", "artists": "artists among the first 10"}


def plot_reranking(measured: RerankingJson, path: Path, title: str) -> None:
    """One panel for each kind of diversity; the shipped point is marked on the dial of its method."""
    choice = measured["choice"]
    with figure(path, width=4.8, height=5.6, rows=len(AXES)) as panels:
        for panel, (axis, label) in zip(panels, AXES.items(), strict=True):
            for method, points in measured["curve"].items():
                panel.plot(
                    [_of(point, axis) for point in points],
                    [point["ndcg"] for point in points],
                    marker=".",
                    lw=1.4,
                    color=INK_OF_METHOD.get(method, INK),
                    label=method,
                )
                for point in points:
                    if method == choice["method"] and point["diversity"] == choice["diversity"]:
                        label_of_point = f"{RERANKED}, at {choice['diversity']:g}"
                        panel.plot(
                            _of(point, axis), point["ndcg"], "o", mfc="none", ms=11, color=INK, label=label_of_point
                        )
            panel.set(xlabel=label, ylabel=MAIN_METRIC)
            panel.set_ylim(bottom=0)
        panels[0].set_title(title)
        panels[-1].figure.legend(
            *panels[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower center", ncols=4
        )


def _of(point: DialPointJson, axis: str) -> float:
    return point["distance"] if axis == "distance" else point["artists"]
