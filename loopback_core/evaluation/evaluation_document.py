"""`evaluation.json` put together: the measurements, and what was evaluated."""

from loopback_core.evaluation.ablation_json import Ablation
from loopback_core.evaluation.evaluation_json import Evaluation, Provenance
from loopback_core.evaluation.evaluator import compare_stages
from loopback_core.evaluation.leave_last import leave_last_json
from loopback_core.evaluation.measuring import Measured
from loopback_core.recommenders.baselines.baseline_lists import Tuning
from loopback_core.settings import Settings


def evaluation_document(
    measured: Measured,
    tuning: Tuning,
    settings: Settings,
    provenance: Provenance,
    ablation: Ablation | None = None,
) -> Evaluation:
    """The whole document. tuning: content of the baselines' `tuning.json`. settings: those of this run, which stand in
    for what `provenance` does not name; ablation: one that was made on the same splits."""
    results = measured.results
    evaluation: Evaluation = {
        "schema": 1,
        "source": provenance["source"],
        "split": provenance["split"],
        "tasks": {
            name: {
                "users": len(result.task.users),
                "positives": len(result.task.positives.values),
                "recommenders": result.means,
            }
            for name, result in results.items()
        },
        "paired": {name: result.comparisons for name, result in results.items()},
        "stages": {name: compare_stages(result.per_user, settings.evaluation) for name, result in results.items()},
        "segments": measured.segments,
        "rival": tuning["rival"],
        "unreachable_positives": {name: result.task.unreachable for name, result in results.items()},
        "calibration": measured.calibration,
        "tuning": tuning["tuning"],
        "obstacles": tuning["obstacles"],
        # What was trained may have been trained under other settings than those of this run.
        "settings": settings.model_dump(mode="json", exclude={"automation", "served"}) | provenance["settings"],
        "index": measured.index,
        "preset": provenance["preset"],
        "seed": provenance["seed"],
        "search": provenance.get("search"),
        "presets": provenance["presets"],
        "versions": provenance["versions"],
        "seconds": provenance["seconds"],
        "peak_rss_mb": provenance["peak_rss_mb"],
    }
    if measured.drawn_from > settings.evaluation.users:
        evaluation["users_drawn_from"] = measured.drawn_from
    if measured.candidates:
        evaluation["candidates"] = measured.candidates
    if refining := provenance.get("refining"):
        evaluation["refining"] = refining
    if correctors := provenance.get("correctors"):
        evaluation["correctors"] = correctors
    if measured.reranking:
        evaluation["reranking"] = measured.reranking
    if measured.feature_costs:
        evaluation["feature_costs"] = measured.feature_costs
    if measured.rolling:
        moments = settings.evaluation.moments
        evaluation["rolling"] = {
            task: {name: result.as_json(moments, settings.evaluation) for name, result in of_task.items()}
            for task, of_task in measured.rolling.items()
        }
    if provenance["split"]["strategy"] == "leave_last":
        evaluation["leave_last"] = leave_last_json(results, measured.users_of_test, settings.evaluation)
    if ablation is not None:
        evaluation["ablation"] = ablation
    return evaluation
