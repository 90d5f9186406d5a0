"""All checks by asset, and the refusal to build on an artifact that failed one."""

from loopback_core.checks import (
    ablation_checks,
    baselines_checks,
    bundle_checks,
    drift_checks,
    evaluation_checks,
    files_checks,
    listens_checks,
    promotion_checks,
    ranking_checks,
    retrieval_checks,
    served_checks,
    splits_checks,
    training_checks,
)
from loopback_core.checks.check import Check, judge
from loopback_core.errors import ArtifactError
from loopback_core.settings import Settings
from loopback_core.stages import STAGES
from loopback_core.store.artifacts import Artifact, ArtifactStore

_SPECIFIC = (
    Check("raw_listens", "source_unchanged", listens_checks.source_unchanged),
    Check("interactions", "reject_share", listens_checks.reject_share, ("max_reject_share",)),
    Check("interactions", "listens_valid", listens_checks.listens_valid),
    Check(
        "temporal_splits",
        "split_counts",
        splits_checks.split_counts,
        ("min_train_events", "min_validation_events", "min_test_events", "split_tolerance"),
    ),
    Check("temporal_splits", "no_time_leakage", splits_checks.no_time_leakage),
    Check("temporal_splits", "ids_in_catalog", splits_checks.ids_in_catalog),
    Check("baselines", "lists_valid", baselines_checks.lists_valid),
    Check("baselines", "baselines_tuned", baselines_checks.baselines_tuned),
    Check("trained_towers", "loss_falls", training_checks.loss_falls),
    Check("trained_towers", "weights_load", training_checks.weights_load),
    Check("trained_ranker", "rankers_load", ranking_checks.rankers_load),
    Check("track_embeddings", "embeddings_healthy", retrieval_checks.embeddings_healthy, ("max_mean_cosine",)),
    Check("faiss_index", "index_size", retrieval_checks.index_size),
    Check("faiss_index", "index_recall", retrieval_checks.index_recall, ("min_index_recall",)),
    Check("evaluation", "recall_floor", evaluation_checks.recall_floor, ("recall_floor",)),
    Check("evaluation", "beats_popularity", evaluation_checks.beats_popularity),
    Check("evaluation", "evaluation_users", evaluation_checks.evaluation_users, ("min_evaluation_users",)),
    Check("evaluation", "metrics_sane", evaluation_checks.metrics_sane),
    Check("evaluation", "random_agrees", evaluation_checks.random_agrees),
    Check("evaluation", "features_cost", evaluation_checks.features_cost, ("max_feature_ms",), blocking=False),
    *(
        Check("evaluation", f"beats_rival_{task}", evaluation_checks.beats_rival(task), blocking=False)
        for task in evaluation_checks.WITH_RIVAL
    ),
    Check("bundle", "canaries_answered", bundle_checks.canaries_answered),
    Check("bundle", "ranked_as_evaluated", bundle_checks.ranked_as_evaluated),
    Check("bundle", "refit_agrees", bundle_checks.refit_agrees, ("min_refit_overlap",)),
    Check("drift", "data_is_alike", drift_checks.data_is_alike, blocking=False),
    Check("drift", "past_is_the_same", drift_checks.past_is_the_same, blocking=False),
    Check("drift", "models_are_alike", drift_checks.models_are_alike, blocking=False),
    Check("promotion", "challenger_promoted", promotion_checks.challenger_promoted, blocking=False),
    Check("promotion", "costs_as_before", promotion_checks.costs_as_before, blocking=False),
    Check(
        "served_quality", "served_as_evaluated", served_checks.served_as_evaluated, ("min_replayed",), blocking=False
    ),
    Check("ablation", "losses_finite", ablation_checks.losses_finite),
    Check("ablation", "recipe_holds", ablation_checks.recipe_holds, blocking=False),
)

CHECKS: dict[str, tuple[Check, ...]] = {
    asset: (
        Check(asset, "files_intact", files_checks.files_intact, recorded=False),
        *(check for check in _SPECIFIC if check.asset == asset),
    )
    for asset in STAGES
}
"""Asset -> its checks."""


def refuse_failed(artifact: Artifact, store: ArtifactStore, settings: Settings) -> None:
    """Raise unless the files of `artifact` are what was published and every blocking check of it passed.

    Dagster's blocking holds within one run; this holds across runs. A check without a verdict on these bytes under
    today's thresholds (its run was killed, or a threshold was changed) is run now.

    Raises:
        ArtifactError: a file is damaged, or a check failed; the message says which and why.
    """
    artifact.verify()
    for check in CHECKS[artifact.asset]:
        if not check.blocking:
            continue
        verdict = check.verdict_on_record(artifact, settings) or judge(check, artifact, store, settings)
        if not verdict.passed:
            raise ArtifactError(
                f"{artifact} failed its check {check.name}, so nothing is built on it: {verdict.sentence}. "
                f"Correct the cause and materialize {artifact.asset} again, or change the threshold in [checks]."
            )
