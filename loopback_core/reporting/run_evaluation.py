"""The evaluation step of the chain: the towers beside every baseline, on the held-out future."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from loopback_core.data import Floats, Ragged, Ranking
from loopback_core.evaluation.calibration import calibrate
from loopback_core.evaluation.evaluator import TaskResult, evaluate_task
from loopback_core.evaluation.segments import segments_json
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.ranking.scorer import EncodedUsers, Scorer
from loopback_core.recommenders.baselines.baseline_lists import BaselineLists
from loopback_core.recommenders.bundle import Bundle, Towers
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.lists import DEPTH, TOWERS, blocks_of_users, gather, rank_users
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.reporting.example_users import Example, example_users
from loopback_core.reporting.plots import plot_embedding, plot_evaluation, plot_popularity, plot_training
from loopback_core.reporting.report import write_report
from loopback_core.retrieval.latency import QUERIES, measure_latency
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import IN_CATALOG, TASKS

if TYPE_CHECKING:
    from loopback_core.settings import Settings
    from loopback_core.splits import Splits


@dataclass(frozen=True)
class Trained:
    """What is evaluated."""

    bundle: Bundle
    index_recall: float
    epochs: Sequence[Mapping[str, Any]] = ()  # the training history
    presets: Mapping[str, Path] = field(default_factory=dict)  # id -> folder of the towers of another preset


def run_evaluation(
    splits: Splits,
    trained: Trained,
    baselines: BaselineLists,
    settings: Settings,
    provenance: Mapping[str, Any],
    folder: Path,
    ablation: Path | None = None,
) -> dict[str, Any]:
    """Write `evaluation.json`, the report, its pictures and `recommendations.parquet` into `folder`.

    Returns the number of scored users by task, a summary.

    provenance: source, split, settings, versions, preset, presets, seed, seconds and peak_rss_mb of what was evaluated,
    put into `evaluation.json` as they are. ablation: the folder of one that was made on the same splits.
    """
    started = time.monotonic()
    results, calibration = measure(splits, trained, baselines, settings)
    tasks = {name: result.task for name, result in results.items()}
    asked = tasks["discovery"]
    scorer = trained.bundle.towers.scorer(asked, trained.bundle.vectors)
    first = asked.histories.rows(0, min(QUERIES, len(asked.users)))
    latency = measure_latency(trained.bundle.index, scorer.index_queries(scorer.users(first)), asked.exclude)
    content = {
        "schema": 1,
        **{key: provenance[key] for key in ("source", "split")},
        "tasks": {name: result.task_json() for name, result in results.items()},
        "paired": {name: result.paired_json() for name, result in results.items()},
        "segments": {
            name: segments_json(results[name], settings.evaluation)
            for name in IN_CATALOG
            if name != "new_users" or len(tasks[name].users)
        },
        "rival": baselines.tuning["rival"],
        "unreachable_positives": {name: task.unreachable for name, task in tasks.items()},
        "calibration": calibration,
        "tuning": baselines.tuning["tuning"],
        "obstacles": baselines.tuning["obstacles"],
        # What was trained may have been trained under other settings than those of this run.
        "settings": settings.model_dump(mode="json") | dict(provenance["settings"]),
        "index": {"kind": trained.bundle.index.kind, "recall@100": trained.index_recall, **latency},
        **{key: value for key, value in provenance.items() if key not in ("source", "split", "settings")},
    }
    if ablation:
        content["ablation"] = json.loads((ablation / "ablation.json").read_text("utf-8"))
        for picture in ablation.glob("ablation.[ps][nv]g"):
            shutil.copyfile(picture, folder / picture.name)
    content["seconds"] = {**provenance["seconds"], "evaluation": round(time.monotonic() - started, 3)}
    (folder / "evaluation.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    _write_recommendations(results, splits, folder / "recommendations.parquet")
    _draw(content, results["discovery"], splits, trained, folder)
    write_report(content, _examples(content, results["discovery"], splits, trained.bundle.vectors), folder)
    return {name: task["users"] for name, task in content["tasks"].items()}


def measure(
    splits: Splits, trained: Trained, baselines: BaselineLists, settings: Settings
) -> tuple[dict[str, TaskResult], dict[str, Any]]:
    """Every task as measured on test, and the random recommender, run for real, against its closed form."""
    results = {}
    # First those that need vectors of tracks of their own: later more is held.
    for name in sorted(TASKS, key=lambda name: name in IN_CATALOG):
        task = TASKS[name](splits.testing_period)
        results[name] = evaluate_task(task, _rankings(task, trained, baselines, settings), settings.evaluation)
    results = {name: results[name] for name in TASKS}
    return results, calibrate([results[name].task for name in ("discovery", "next_listen")], settings.evaluation)


def _rankings(
    task: Task, trained: Trained, baselines: BaselineLists, settings: Settings
) -> Iterator[tuple[str, Ranking | None]]:
    """The lists of the towers, of every other preset and of every baseline, one at a time.

    None for a baseline that cannot answer the task.
    """
    in_catalog, seed = task.name in IN_CATALOG, settings.evaluation.seed
    scorer = trained.bundle.towers.scorer(task, trained.bundle.vectors)
    # A history is encoded once for the three ways to recommend by it.
    blocks = [(scorer.encode(histories), exclude) for histories, exclude in blocks_of_users(task)]

    answer, alone = _rank_with_and_without_terms(scorer, blocks, task, seed)
    yield TOWERS, answer
    yield f"{TOWERS}_alone", alone
    if in_catalog:
        index = IndexRecommender(scorer, trained.bundle.index, seed)
        yield index.id, gather((index.rank(users, DEPTH, exclude) for users, exclude in blocks), task, DEPTH, index.id)
    for name, folder in trained.presets.items():  # read anew for each task: one set of towers more is held in memory
        yield name, rank_users(TowersRecommender(Towers.load(folder).scorer(task), seed, name), task, DEPTH)
    yield from baselines.rankings(task)
    if in_catalog:
        elsewhere = {name for other in IN_CATALOG for name in baselines.names(other)}
        yield from ((name, None) for name in sorted(elsewhere - set(baselines.names(task.name))))


def _rank_with_and_without_terms(
    scorer: Scorer, blocks: Sequence[tuple[EncodedUsers, Ragged | None]], task: Task, seed: int
) -> tuple[Ranking, Ranking]:
    """The lists of the towers as they are served, and those of the towers alone: the products are computed once."""
    served, towers = TowersRecommender(scorer, seed), TowersRecommender(replace(scorer, ranker=TOWERS_ALONE), seed)
    if scorer.ranker == TOWERS_ALONE:
        answer = gather((served.rank(users, DEPTH, exclude) for users, exclude in blocks), task, DEPTH, served.id)
        return answer, answer
    alone: list[Ranking] = []

    def rank(users: EncodedUsers, exclude: Ragged | None) -> Ranking:
        products = users.vectors @ scorer.vectors.T
        alone.append(towers.rank_products(products, users.prior, DEPTH, exclude))
        return served.rank_products(products, users.prior, DEPTH, exclude)

    answer = gather((rank(*block) for block in blocks), task, DEPTH, served.id)
    return answer, gather(alone, task, DEPTH, f"{TOWERS}_alone")


def _write_recommendations(results: Mapping[str, TaskResult], splits: Splits, path: Path) -> None:
    names = splits.track_names.select(pl.col("track").cast(pl.Int64), "artist_name", "track_name")
    users = splits.users.select(pl.col("user").cast(pl.Int64), "user_id")
    pl.concat([result.recommendations() for result in results.values()]).lazy().join(
        users.lazy(), on="user", how="left", maintain_order="left"
    ).join(names.lazy(), on="track", how="left", maintain_order="left").select(
        "task", "recommender", "user_id", pl.col("rank").cast(pl.Int32), "artist_name", "track_name", "score"
    ).sink_parquet(path)


def _draw(content: Mapping[str, Any], found: TaskResult, splits: Splits, trained: Trained, folder: Path) -> None:
    catalog, rival = found.task.fit.catalog, content["rival"]["discovery"]
    plot_evaluation(content, folder)
    played = splits.test.track[splits.test.track < catalog.n_tracks].astype(np.int64)
    plot_popularity(catalog.listeners, played, found.rankings, 10, folder / "popularity.png", rival)
    plot_embedding(trained.bundle.vectors, catalog, splits.track_names, folder / "embedding.png")
    if trained.epochs:
        metric = content["settings"]["training"]["validation_metric"]
        plot_training(trained.epochs, metric, folder / "training.png")


def _examples(content: Mapping[str, Any], found: TaskResult, splits: Splits, vectors: Floats) -> list[Example]:
    """What the towers and their rival recommend a few users in discovery, side by side."""
    shown = {TOWERS, content["rival"]["discovery"]}
    rankings = {name: ranking for name, ranking in found.rankings.items() if name in shown}
    seed = content["settings"]["evaluation"]["seed"]
    return example_users(found.task, rankings, splits.track_names, splits.users, vectors, seed)
