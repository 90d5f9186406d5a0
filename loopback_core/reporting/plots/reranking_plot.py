"""What diversity costs: nDCG@10 against the distance between the first tracks, along the dial of every method."""

from pathlib import Path

from loopback_core.evaluation.reranking_json import DialPointJson, RerankingJson
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.plots.colours import INK, colour
from loopback_core.reporting.plots.figure import figure
from loopback_core.tasks.metrics import MAIN_METRIC

INK_OF_METHOD = {"artists": colour(SERVED), "mmr": "#8d5bd1", "dpp": "#2f86d6", "calibrated": "#2b8a3e"}

AXES = {"distance": "mean distance of two of the first 10 tracks", "artists": "artists among the first 10"}


def plot_reranking(measured: RerankingJson, rival: str | None, path: Path, title: str) -> None:
    """One panel for each kind of diversity, with the point that was chosen and the rival's lists."""
    choice, lists = measured["choice"], measured["lists"]
    with figure(path, width=4.8, height=5.6, rows=len(AXES)) as panels:
        for panel, (axis, label) in zip(panels, AXES.items(), strict=True):
            chosen: list[DialPointJson] = []
            for method, points in measured["curve"].items():
                values = [point["ndcg"] for point in points]
                ink = INK_OF_METHOD.get(method, INK)
                panel.plot([_of(point, axis) for point in points], values, ".-", lw=1.4, color=ink, label=method)
                chosen += [p for p in points if (method, p["diversity"]) == (choice["method"], choice["diversity"])]
            for point in chosen:
                panel.plot(_of(point, axis), point["ndcg"], "o", mfc="none", ms=10, color=INK, label="chosen")
            if rival in lists:
                panel.plot(
                    _of(lists[rival], axis),
                    lists[rival]["ndcg"],
                    "D",
                    ms=6,
                    color=colour(rival),
                    label=f"{rival} (rival)",
                )
            panel.set(xlabel=label, ylabel=MAIN_METRIC)
            panel.margins(y=0.12)
            panel.set_ylim(bottom=0)
        panels[0].set_title(title)
        marks = panels[0].get_legend_handles_labels()
        panels[-1].figure.legend(*marks, fontsize=8, frameon=False, loc="outside lower center", ncols=3)


def _of(point: DialPointJson, axis: str) -> float:
    return point["distance"] if axis == "distance" else point["artists"]
