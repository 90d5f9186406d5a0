"""The files next to `evaluation.json`: the recommendations, the pictures, the report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from loopback_core.data import Floats
from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.evaluator import TaskResult
from loopback_core.evaluation.measuring import Trained
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.example_users import Example, example_users
from loopback_core.reporting.plots import plot_embedding, plot_evaluation, plot_popularity, plot_training
from loopback_core.reporting.report import write_report

if TYPE_CHECKING:
    from loopback_core.splits import Splits


def write_evaluation_files(
    evaluation: Evaluation, results: Mapping[str, TaskResult], splits: Splits, trained: Trained, folder: Path
) -> None:
    """Write `recommendations.parquet`, the pictures, `report.md` and `report.html` into `folder`."""
    _write_recommendations(results, splits, folder / "recommendations.parquet")
    _draw(evaluation, results["discovery"], splits, trained, folder)
    write_report(evaluation, _examples(evaluation, results["discovery"], splits, trained.bundle.vectors), folder)


def copy_ablation_pictures(ablation_folder: Path, folder: Path) -> None:
    """The report shows the picture of the ablation next to its own."""
    for picture in ablation_folder.glob("ablation.[ps][nv]g"):
        shutil.copyfile(picture, folder / picture.name)


def _write_recommendations(results: Mapping[str, TaskResult], splits: Splits, path: Path) -> None:
    names = splits.track_names.select(pl.col("track").cast(pl.Int64), "artist_name", "track_name")
    users = splits.users.select(pl.col("user").cast(pl.Int64), "user_id")
    pl.concat([result.recommendations() for result in results.values()]).lazy().join(
        users.lazy(), on="user", how="left", maintain_order="left"
    ).join(names.lazy(), on="track", how="left", maintain_order="left").select(
        "task", "recommender", "user_id", pl.col("rank").cast(pl.Int32), "artist_name", "track_name", "score"
    ).sink_parquet(path)


def _draw(evaluation: Evaluation, result: TaskResult, splits: Splits, trained: Trained, folder: Path) -> None:
    catalog, rival = result.task.fit.catalog, evaluation["rival"]["discovery"]
    plot_evaluation(evaluation, folder)
    played = splits.test.track[splits.test.track < catalog.n_tracks].astype(np.int64)
    plot_popularity(catalog.listeners, played, result.rankings, 10, folder / "popularity.png", rival)
    plot_embedding(trained.bundle.vectors, catalog, splits.track_names, folder / "embedding.png")
    if trained.epochs:
        metric = evaluation["settings"]["training"]["validation_metric"]
        plot_training(trained.epochs, metric, folder / "training.png")


def _examples(evaluation: Evaluation, result: TaskResult, splits: Splits, vectors: Floats) -> list[Example]:
    """The recommendations of the towers and of their rival for a few users in discovery."""
    shown = {SERVED, evaluation["rival"]["discovery"]}
    rankings = {name: ranking for name, ranking in result.rankings.items() if name in shown}
    seed = evaluation["settings"]["evaluation"]["seed"]
    return example_users(result.task, rankings, splits.track_names, splits.users, vectors, seed)
