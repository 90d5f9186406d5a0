"""All checks by asset, and the refusal to build on an artifact that failed one."""

from loopback_core.artifacts import Artifact, ArtifactStore
from loopback_core.chain import BESIDE, CHAIN
from loopback_core.checks import ablation, baselines, files, listens, retrieval, splits, training
from loopback_core.checks import evaluation as report
from loopback_core.checks.check import Check, judge
from loopback_core.errors import ArtifactError
from loopback_core.settings import Settings

_SPECIFIC = (
    Check("raw_listens", "source_unchanged", listens.source_unchanged),
    Check("interactions", "reject_share", listens.reject_share),
    Check("interactions", "listens_valid", listens.listens_valid),
    Check("temporal_splits", "split_counts", splits.split_counts),
    Check("temporal_splits", "no_time_leakage", splits.no_time_leakage),
    Check("temporal_splits", "ids_in_catalog", splits.ids_in_catalog),
    Check("baselines", "lists_valid", baselines.lists_valid),
    Check("baselines", "baselines_tuned", baselines.baselines_tuned),
    Check("trained_towers", "loss_falls", training.loss_falls),
    Check("trained_towers", "weights_load", training.weights_load),
    Check("track_embeddings", "embeddings_healthy", retrieval.embeddings_healthy),
    Check("faiss_index", "index_size", retrieval.index_size),
    Check("faiss_index", "index_recall", retrieval.index_recall),
    Check("evaluation", "recall_floor", report.recall_floor),
    Check("evaluation", "beats_popularity", report.beats_popularity),
    Check("evaluation", "evaluation_users", report.evaluation_users),
    Check("evaluation", "metrics_sane", report.metrics_sane),
    Check("evaluation", "random_agrees", report.random_agrees),
    *(Check("evaluation", f"beats_rival_{task}", report.beats_rival(task), blocking=False) for task in report.VERDICTS),
    Check("ablation", "losses_finite", ablation.losses_finite),
    Check("ablation", "recipe_holds", ablation.recipe_holds, blocking=False),
)

CHECKS: dict[str, tuple[Check, ...]] = {
    asset: (
        Check(asset, "files_intact", files.files_intact),
        *(check for check in _SPECIFIC if check.asset == asset),
    )
    for asset in (*CHAIN, *BESIDE)
}
"""Asset -> its checks."""


def refuse_failed(artifact: Artifact, store: ArtifactStore, settings: Settings) -> None:
    """Raise unless every blocking check of `artifact` passed.

    Dagster's blocking holds within one run; this holds across runs. A check without a verdict under today's
    thresholds (its run was killed, or a threshold was changed) is run now.

    Raises:
        ArtifactError: a check failed; the message says which and why.
    """
    recorded = artifact.verdicts()
    thresholds = settings.checks.model_dump(mode="json")
    for check in CHECKS[artifact.asset]:
        if not check.blocking:
            continue
        verdict = recorded.get(check.name)
        if verdict is not None and verdict["thresholds"] == thresholds:
            passed, sentence = verdict["passed"], verdict["sentence"]
        else:
            judged = judge(check, artifact, store, settings)
            passed, sentence = judged.passed, judged.sentence
        if not passed:
            raise ArtifactError(
                f"{artifact} failed its check {check.name}, so nothing is built on it: {sentence}. "
                f"Put that right and materialize {artifact.asset} again, or change the threshold in [checks]."
            )
