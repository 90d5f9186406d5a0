"""Everything that an evaluation measures: the towers, other presets and every baseline on the held-out future."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopback_core.data import Ids, Ranking
from loopback_core.evaluation.calibration import calibrate
from loopback_core.evaluation.candidate_recall import measure_candidates
from loopback_core.evaluation.candidates_json import CandidatesJson
from loopback_core.evaluation.evaluation_json import CalibrationJson, IndexJson, Recommenders
from loopback_core.evaluation.evaluator import TaskResult, evaluate_task
from loopback_core.evaluation.feature_costs import measure_feature_costs
from loopback_core.evaluation.feature_costs_json import FeatureCostsJson
from loopback_core.evaluation.our_lists import lists_through_index, our_lists
from loopback_core.evaluation.reranking_curve import reranking_json
from loopback_core.evaluation.reranking_json import RerankingJson
from loopback_core.evaluation.rolling_evaluation import RollingResult, evaluate_moments
from loopback_core.evaluation.segments import segments_json
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.recommenders.baselines.baseline_lists import BaselineLists
from loopback_core.recommenders.bundle import SERVED_TASKS, Bundle
from loopback_core.recommenders.lists import DEPTH, RERANKED, ROLLING_DEPTH, SERVED, rank_users
from loopback_core.recommenders.ranked_towers import Towers
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.reranking.reranker import Reranker
from loopback_core.retrieval.latency import QUERIES, measure_latency
from loopback_core.tasks.rolling import RollingTask, rolling_tasks
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import IN_CATALOG, TASKS, official_task

if TYPE_CHECKING:
    from loopback_core.settings import Settings
    from loopback_core.splits import Splits


@dataclass(frozen=True)
class Trained:
    """What is evaluated."""

    bundle: Bundle
    index_recall: float
    epochs: Sequence[Mapping[str, Any]] = ()  # the training history
    presets: Mapping[str, tuple[Path, Path]] = field(default_factory=dict)
    """Id of another preset -> the folders of its towers and of its ranker."""


@dataclass(frozen=True)
class Measured:
    """All numbers of an evaluation, and the lists that they are of."""

    results: dict[str, TaskResult]  # by task
    calibration: CalibrationJson
    segments: dict[str, dict[str, Recommenders]]  # task -> segment -> recommender -> metric
    index: IndexJson
    users_of_test: Ids  # those of train who play something in test, or those drawn from them, ascending
    drawn_from: int  # how many play something in test
    rolling: dict[str, dict[str, RollingResult]]  # task -> set of positives; empty where moments are not asked
    candidates: dict[str, CandidatesJson]  # by task; empty where the towers are served without further terms
    reranking: dict[str, RerankingJson]  # by task; empty where lists are shown as they are scored
    feature_costs: dict[str, FeatureCostsJson]  # by task with scored users


def measure(splits: Splits, trained: Trained, baselines: BaselineLists, settings: Settings) -> Measured:
    """Every task as measured on test, the random recommender against its closed form, segments, and the index."""
    results, period = {}, splits.testing_period
    # Tasks that need vectors of tracks outside the catalog come first: later more memory is held.
    for name in sorted(TASKS, key=lambda name: name in IN_CATALOG):
        task = official_task(name, period, settings.evaluation.users, settings.evaluation.seed)
        results[name] = evaluate_task(task, _rankings(task, trained, baselines, settings), settings.evaluation)
    results = {name: results[name] for name in TASKS}
    evaluation = settings.evaluation
    rolling = rolling_tasks(
        {name: result.task for name, result in results.items()},
        period,
        evaluation.moments,
        evaluation.moment_users,
        evaluation.seed,
    )
    at_moments = _ours_at_moments(rolling, trained.bundle, evaluation.seed)
    return Measured(
        results,
        calibrate([results[name].task for name in ("discovery", "next_listen")], settings.evaluation),
        {
            name: segments_json(results[name], splits.users, settings.evaluation)
            for name in IN_CATALOG
            if name != "new_users" or len(results[name].task.users)
        },
        _measure_index(results["discovery"].task, trained),
        np.intersect1d(period.drawn(evaluation.users, evaluation.seed).users, period.held_out.user),
        len(np.intersect1d(period.users, period.held_out.user)),
        {
            name: evaluate_moments(
                task,
                _tracks_at_moments(task, at_moments[name], trained, baselines, evaluation.seed),
                evaluation.horizon_days,
            )
            for name, task in rolling.items()
        },
        _candidates(results, trained.bundle, evaluation.seed),
        _reranking(results, trained.bundle, baselines.tuning["rival"], settings),
        {
            name: measure_feature_costs(result.task, trained.bundle.towers, evaluation.seed)
            for name, result in results.items()
            if len(result.task.users)
        },
    )


def _measure_index(task: Task, trained: Trained) -> IndexJson:
    """Its recall, and the latency of the queries of the first users of the task."""
    bundle = trained.bundle
    scorer = bundle.towers.scorer(task, bundle.vectors)
    first = task.histories.rows(0, min(QUERIES, len(task.users)))
    latency = measure_latency(bundle.index, scorer.users(first), task.exclude)
    return {
        "kind": bundle.index.kind,
        "recall@100": trained.index_recall,
        "p50_ms": latency["p50_ms"],
        "p99_ms": latency["p99_ms"],
    }


def _rankings(
    task: Task, trained: Trained, baselines: BaselineLists, settings: Settings
) -> Iterator[tuple[str, Ranking | None]]:
    """The lists of the towers, of every other preset and of every baseline, one at a time.

    None for a baseline that cannot answer the task.
    """
    in_catalog, seed = task.name in IN_CATALOG, settings.evaluation.seed
    scorer = trained.bundle.towers.scorer(task, trained.bundle.vectors)
    ours = our_lists(scorer, task, DEPTH, seed, trained.bundle.index if in_catalog else None)
    yield from ours.items()
    if SERVED in ours and (reranker := _reranker(trained.bundle, task.name)) is not None:
        # Each place keeps its score: lists are written best first.
        served = ours[SERVED]
        yield RERANKED, Ranking(reranker.rerank(served, task.histories).tracks, served.scores)
    for name, folders in trained.presets.items():  # read anew for each task: one set of towers more is held in memory
        yield name, rank_users(TowersRecommender(Towers.load(*folders).scorer(task), seed, name), task, DEPTH)
    yield from baselines.rankings(task)
    if in_catalog:
        elsewhere = {name for other in IN_CATALOG for name in baselines.names(other)}
        yield from ((name, None) for name in sorted(elsewhere - set(baselines.names(task.name))))


def _candidates(results: Mapping[str, TaskResult], bundle: Bundle, seed: int) -> dict[str, CandidatesJson]:
    """The candidates of every task that is served, where there is more to them than the towers."""
    return {
        name: measure_candidates(bundle.towers.scorer(task, bundle.vectors), task, seed)
        for name in SERVED_TASKS
        if len((task := results[name].task).users) and bundle.towers.rankers[name] != TOWERS_ALONE
    }


def _reranker(bundle: Bundle, task: str) -> Reranker | None:
    """That of a task; the histories of the evaluation hold ids of the log, of which those of the catalog come first."""
    reranker = bundle.chosen_rerankers.get(task)
    return None if reranker is None else replace(reranker, artist=bundle.catalog.artist)


def _reranking(
    results: Mapping[str, TaskResult], bundle: Bundle, rivals: Mapping[str, str | None], settings: Settings
) -> dict[str, RerankingJson]:
    """The re-ranking of every task that has one and scored users."""
    return {
        name: reranking_json(result, reranker, bundle.towers.reranking[name], rivals.get(name), settings.evaluation)
        for name, result in results.items()
        if len(result.task.users) and (reranker := _reranker(bundle, name)) is not None
    }


def _ours_at_moments(rolling: Mapping[str, RollingTask], bundle: Bundle, seed: int) -> dict[str, dict[str, Ids]]:
    """Task -> recommender -> our lists at every request of its moments, (requests, ROLLING_DEPTH)."""
    scorers = {name: bundle.towers.scorer(of_task.at(0), bundle.vectors) for name, of_task in rolling.items()}
    found: dict[str, dict[str, list[Ids]]] = {name: {} for name in rolling}
    for moment in range(max(map(len, rolling.values()), default=0)):
        asked = [(scorers[name], of_task.at(moment)) for name, of_task in rolling.items()]
        for name, lists in zip(rolling, lists_through_index(asked, ROLLING_DEPTH, seed, bundle.index), strict=True):
            for recommender, ranking in lists.items():
                found[name].setdefault(recommender, []).append(ranking.tracks)
    return {
        name: {recommender: np.concatenate(of_moments) for recommender, of_moments in of_task.items()}
        for name, of_task in found.items()
    }


def _tracks_at_moments(
    rolling: RollingTask, ours: Mapping[str, Ids], trained: Trained, baselines: BaselineLists, seed: int
) -> Iterator[tuple[str, Ids | None]]:
    """The lists of every recommender at every request of the moments of a task, (requests, ROLLING_DEPTH)."""
    yield from ours.items()
    for name, folders in trained.presets.items():
        towers = TowersRecommender(Towers.load(*folders).scorer(rolling.at(0)), seed, name)
        lists = [rank_users(towers, rolling.at(moment), ROLLING_DEPTH).tracks for moment in range(len(rolling))]
        yield name, np.concatenate(lists)
    for name in baselines.names(rolling.name):
        yield name, baselines.tracks_at_moments(rolling, name)
