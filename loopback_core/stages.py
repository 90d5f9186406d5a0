"""Every stage, declared once: what it is made from, the code that makes it, the settings that change it.

The names are those of the assets and of the artifacts. The store, the assets, their code versions, the checks and the
ablation read this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback_core.runtime.threads import compute_threads
from loopback_core.settings import Section, Settings
from loopback_core.store.digests import file_sha256
from loopback_core.store.source_code import code_digest

StageValues = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A step of the graph that publishes one artifact."""

    name: str
    upstream: tuple[str, ...]  # the stages it reads; it follows their manifests to what they were made from
    step: str  # the module of `loopback_core` that makes it
    settings: Callable[[Settings], StageValues]  # those that change the result
    reads: tuple[str, ...] = ()  # stages further up whose files it opens too
    parallel: bool = True  # threads add up floats, in an order that depends on their number
    in_chain: bool = True  # otherwise no run of the chain makes it; the report shows it when it is there

    @property
    def code(self) -> str:
        """A digest of the source of the step and of all that it imports."""
        return code_digest(self.step)

    def values(self, settings: Settings) -> StageValues:
        """All that changes the result but its upstream and its code: settings, and the threads that compute.

        On a machine with another number of threads the same home holds other versions.
        """
        return {**self.settings(settings), **({"threads": compute_threads()} if self.parallel else {})}


def _only(section: Section, *keys: str) -> StageValues:
    return section.model_dump(mode="json", include=set(keys) or None)


def _interactions(settings: Settings) -> StageValues:
    return _only(
        settings.source, "columns", "user", "time_format", "time_zone", "least_seconds_played", "earliest", "latest"
    )


def _baselines(settings: Settings) -> StageValues:
    keys = ("seed", "baselines", "users", "tuning_users", "tuning_trials", "moments", "moment_users")
    return _only(settings.evaluation, *keys)


def training_values(settings: Settings) -> StageValues:
    """What a training and its measuring on validation depend on: settings, and the content of the file of features."""
    values: StageValues = {
        "towers": _only(settings.towers),
        "training": settings.training.model_dump(mode="json", exclude={"launcher"}),
        "tie_seed": settings.evaluation.seed,
        "tuning_users": settings.evaluation.tuning_users,
    }
    if (features := settings.towers.sum.features) and Path(features).is_file():
        values["features"] = file_sha256(Path(features))
    if settings.training.sampled.hard_share:
        values["index"] = _only(settings.index)  # it mines the hard negatives
    return values


def _trained_ranker(settings: Settings) -> StageValues:
    seed = settings.evaluation.seed
    return {"ranking": _only(settings.ranking), "reranking": _only(settings.reranking), "tie_seed": seed}


def _evaluation(settings: Settings) -> StageValues:
    # The report states whether the floor was met.
    return {"evaluation": _only(settings.evaluation), "recall_floor": settings.checks.recall_floor}


def _promotion(settings: Settings) -> StageValues:
    return {
        "promotion": _only(settings.promotion, "margin", "max_age_days", "max_p99_ms", "max_growth", "max_loss"),
        "evaluation": _only(settings.evaluation, "moments", "moment_users", "seed", "resamples", "min_users"),
        "min_index_recall": settings.checks.min_index_recall,
    }


def _served_quality(settings: Settings) -> StageValues:
    return {
        "served": _only(settings.served, "horizon_days"),
        "evaluation": _only(settings.evaluation, "seed", "resamples", "min_users"),
    }


def _ablation(settings: Settings) -> StageValues:
    return {"evaluation": _only(settings.evaluation, "seed", "tuning_users", "resamples", "min_users")}


def _lineage(settings: Settings) -> StageValues:
    shape = settings.lineage.model_dump(mode="json", exclude={"families", "seeds"})
    evaluation = _only(settings.evaluation, "seed", "users", "tuning_users", "resamples", "min_users")
    return {"evaluation": evaluation, "index": _only(settings.index), "lineage": shape}


STAGES = {
    stage.name: stage
    for stage in (
        Stage("raw_listens", (), "listens.raw", lambda settings: _only(settings.source), parallel=False),
        Stage("interactions", ("raw_listens",), "listens.ingest", _interactions, parallel=False),
        Stage("temporal_splits", ("interactions",), "splits.split", lambda of: _only(of.split), parallel=False),
        Stage("baselines", ("temporal_splits",), "recommenders.baselines.baseline_lists", _baselines),
        Stage("trained_towers", ("temporal_splits",), "training.train", training_values),
        Stage(
            "trained_ranker",
            ("trained_towers",),
            "training.train_ranker",
            _trained_ranker,
            reads=("temporal_splits",),
        ),
        Stage(
            "track_embeddings",
            ("trained_towers",),
            "recommenders.build_retrieval",
            lambda settings: {"shards": _only(settings.index.shards)},
            reads=("temporal_splits",),
        ),
        Stage(
            "faiss_index",
            ("track_embeddings",),
            "recommenders.build_retrieval",
            lambda settings: _only(settings.index),
            reads=("trained_towers", "temporal_splits"),
        ),
        Stage(
            "evaluation",
            ("faiss_index", "trained_ranker", "baselines"),
            "reporting.run_evaluation",
            _evaluation,
            reads=("track_embeddings", "trained_towers", "temporal_splits"),
        ),
        Stage(
            "bundle",
            ("faiss_index", "evaluation"),
            "bundle.build_bundle",
            lambda settings: _only(settings.bundle),
            reads=("track_embeddings", "trained_ranker", "trained_towers", "temporal_splits"),
            in_chain=False,
        ),
        Stage(
            "drift",
            ("bundle",),
            "drift.build_drift",
            lambda settings: _only(settings.drift),
            reads=("interactions", "raw_listens"),
            in_chain=False,
        ),
        Stage(
            "promotion",
            ("bundle", "drift"),
            "promotion.judging",
            _promotion,
            reads=(
                "evaluation",
                "faiss_index",
                "track_embeddings",
                "trained_ranker",
                "trained_towers",
                "temporal_splits",
            ),
            in_chain=False,
        ),
        Stage(
            "served_quality",
            ("interactions",),
            "serving.replaying",
            _served_quality,
            parallel=False,
            in_chain=False,
        ),
        Stage("ablation", ("trained_towers",), "ablation.run", _ablation, reads=("temporal_splits",), in_chain=False),
        Stage("lineage", ("temporal_splits",), "lineage.run_lineage", _lineage, in_chain=False),
    )
}
"""Name -> stage, in an order in which data flows."""

CHAIN = tuple(stage.name for stage in STAGES.values() if stage.in_chain)
"""The stages that the main job makes, in order."""
