"""The pictures of the report, each as a PNG and as an SVG."""

from pathlib import Path

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.rolling_evaluation import NEAR, REST
from loopback_core.reporting.plots.ablation_plot import plot_ablation
from loopback_core.reporting.plots.calibration_plot import plot_calibration
from loopback_core.reporting.plots.embedding_plot import plot_embedding
from loopback_core.reporting.plots.measured import plot_main_metric, plot_recall, plot_segments
from loopback_core.reporting.plots.moments_plot import plot_moments
from loopback_core.reporting.plots.popularity_plot import plot_popularity
from loopback_core.reporting.plots.reranking_plot import plot_reranking
from loopback_core.reporting.plots.training_plot import plot_training

__all__ = [
    "plot_ablation",
    "plot_calibration",
    "plot_embedding",
    "plot_evaluation",
    "plot_main_metric",
    "plot_moments",
    "plot_popularity",
    "plot_recall",
    "plot_reranking",
    "plot_segments",
    "plot_training",
]

LEGEND = {REST: "at moments, rest", NEAR: "at moments, near"}


def plot_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Every picture that needs `evaluation.json` alone: per task `ndcg_`, `recall_`, `segments_`, `moments_`
    and `reranking_`, and `calibration`."""
    for name, task in evaluation["tasks"].items():
        if not task["users"]:
            continue
        rival, title = evaluation["rival"].get(name), name.replace("_", " ").capitalize()
        plot_main_metric(task["recommenders"], rival, folder / f"ndcg_{name}.png", title)
        plot_recall(task["recommenders"], rival, folder / f"recall_{name}.png", title)
        if segments := evaluation.get("segments", {}).get(name):
            plot_segments(segments, rival, folder / f"segments_{name}.png", title)
    for name, sets in evaluation.get("rolling", {}).items():
        columns = {
            "official cut": evaluation["paired"][name],
            **{LEGEND[what]: of["paired"] for what, of in sets.items()},
        }
        title = name.replace("_", " ").capitalize()
        plot_moments(columns, evaluation["rival"].get(name), folder / f"moments_{name}.png", title)
    for name, of_task in evaluation.get("reranking", {}).items():
        title = name.replace("_", " ").capitalize()
        plot_reranking(of_task, evaluation["rival"].get(name), folder / f"reranking_{name}.png", title)
    if (calibration := evaluation.get("calibration")) and calibration["tasks"]:
        plot_calibration(calibration, folder / "calibration.png")
