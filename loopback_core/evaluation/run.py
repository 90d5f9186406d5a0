"""The evaluation step of the chain: the towers beside every baseline, on the held-out future."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from loopback_core.data import Floats
from loopback_core.evaluation.baselines import BASELINES, Tuned, choose_rival, tune
from loopback_core.evaluation.evaluator import TaskResult, answers, evaluate_task
from loopback_core.evaluation.plots import plot_popularity, plot_recall
from loopback_core.evaluation.report import write_report
from loopback_core.evaluation.segments import segments_json
from loopback_core.evaluation.tasks import TASKS, Task
from loopback_core.retrieval.embed import track_vectors
from loopback_core.retrieval.latency import measure_latency
from loopback_core.retrieval.recommenders import IndexRecommender, TowersRecommender

if TYPE_CHECKING:
    from loopback_core.retrieval.index import VectorIndex
    from loopback_core.settings import Settings
    from loopback_core.splits import Splits
    from loopback_core.towers.two_tower import TwoTower

DEPTH = 1000  # a retriever feeds a ranker, so recall is measured down to here


@dataclass(frozen=True)
class Trained:
    """What is evaluated. `vectors` are those of the catalog at test time, which `index` holds too."""

    model: TwoTower
    vectors: Floats
    index: VectorIndex
    index_recall: float


def run_evaluation(
    splits: Splits, trained: Trained, settings: Settings, provenance: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Write `evaluation.json`, `report.md`, the plots and `recommendations.parquet` into `folder`.

    Returns the number of scored users by task, a summary.

    provenance: source, split, settings, versions, preset, seed, seconds and peak_rss_mb of what was evaluated, put
    into `evaluation.json` as they are.
    """
    started = time.monotonic()
    results, tuned = {}, {}
    for name in ("discovery", "next_listen"):
        tuned[name] = _tune(TASKS[name](splits, "tuning"), settings)
        results[name] = _compare(TASKS[name](splits, "testing"), trained, tuned[name], settings)
    results["reference_protocol"] = _reference_protocol(splits, trained, settings)

    first = results["discovery"]
    latency = measure_latency(trained.index, trained.model, first.task.histories, first.task.exclude)
    content = {
        "schema": 1,
        **{key: provenance[key] for key in ("source", "split")},
        "tasks": {name: _with_alone(result.task_json()) for name, result in results.items()},
        "paired": {name: result.paired_json() for name, result in results.items()},
        "segments": {name: _segments(results[name], settings) for name in ("discovery", "next_listen")},
        "rival": {name: choose_rival(candidates) for name, candidates in tuned.items()},
        "unreachable_positives": {name: result.task.unreachable for name, result in results.items()},
        "tuning": {name: {t.baseline.id: t.as_json() for t in candidates} for name, candidates in tuned.items()},
        # What was trained may have been trained under other settings than those of this run.
        "settings": settings.model_dump(mode="json") | dict(provenance["settings"]),
        "index": {"kind": trained.index.kind, "recall@100": trained.index_recall, **latency},
        **{key: value for key, value in provenance.items() if key not in ("source", "split", "settings")},
    }
    content["seconds"] = {**provenance["seconds"], "evaluation": round(time.monotonic() - started, 3)}
    (folder / "evaluation.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    _write_recommendations(results, splits, folder / "recommendations.parquet")
    _draw(results, splits, settings, folder)
    write_report(content, folder)
    return {name: task["users"] for name, task in content["tasks"].items()}


def _tune(task: Task, settings: Settings) -> list[Tuned]:
    """Every baseline that answers the task, with the settings that validation prefers."""
    asked = [baseline for baseline in BASELINES if answers(baseline, task.name)]
    return [tune(baseline, task, settings.evaluation.seed) for baseline in asked]


def _compare(task: Task, trained: Trained, tuned: list[Tuned], settings: Settings) -> TaskResult:
    seed = settings.evaluation.seed
    towers = TowersRecommender(trained.model, trained.vectors, seed)
    through_index = IndexRecommender(trained.model, trained.index)
    baselines = [candidate.fit(task.fit, seed) for candidate in tuned]
    silent = [baseline(seed=seed) for baseline in BASELINES if not answers(baseline, task.name)]
    return evaluate_task(task, [towers, through_index, *baselines, *silent], settings.evaluation, DEPTH)


def _reference_protocol(splits: Splits, trained: Trained, settings: Settings) -> TaskResult:
    """The towers, random and popularity only: what the reference could be compared with."""
    task, seed = TASKS["reference_protocol"](splits, "testing"), settings.evaluation.seed
    towers = TowersRecommender(trained.model, track_vectors(trained.model, task.candidate_artist), seed)
    baselines = [baseline(seed=seed).fit(task.fit) for baseline in BASELINES if answers(baseline, task.name)]
    return evaluate_task(task, [towers, *baselines], settings.evaluation, DEPTH)


def _with_alone(task: dict[str, Any]) -> dict[str, Any]:
    """The served score has no part but the dot product yet, so the towers alone are the same measurement."""
    task["recommenders"]["two_tower_alone"] = task["recommenders"]["two_tower"]
    return task


def _segments(result: TaskResult, settings: Settings) -> dict[str, Any]:
    table = segments_json(result, settings.evaluation)
    for recommenders in table.values():
        recommenders["two_tower_alone"] = recommenders["two_tower"]
    return table


def _write_recommendations(results: Mapping[str, TaskResult], splits: Splits, path: Path) -> None:
    names = splits.track_names.select(pl.col("track").cast(pl.Int64), "artist_name", "track_name")
    users = splits.users.select(pl.col("user").cast(pl.Int64), "user_id")
    pl.concat([result.recommendations() for result in results.values()]).lazy().join(
        users.lazy(), on="user", how="left", maintain_order="left"
    ).join(names.lazy(), on="track", how="left", maintain_order="left").select(
        "task", "recommender", "user_id", pl.col("rank").cast(pl.Int32), "artist_name", "track_name", "score"
    ).sink_parquet(path)


def _draw(results: Mapping[str, TaskResult], splits: Splits, settings: Settings, folder: Path) -> None:
    shown = {name: result.means for name, result in results.items() if name != "reference_protocol"}
    plot_recall(shown, settings.evaluation.ks, folder / "recall.png")
    found = results["discovery"]
    played = splits.test.track[splits.test.track < found.task.n_candidates].astype(np.int64)
    plot_popularity(found.task.fit.catalog.listeners, played, found.rankings, 10, folder / "popularity.png")
