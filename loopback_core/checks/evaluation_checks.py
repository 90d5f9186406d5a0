"""The report: can its numbers be trusted, and are the towers worth serving?"""

from loopback_core.checks.check import Predicate, Verdict
from loopback_core.evaluation import thresholds
from loopback_core.evaluation.evaluation_json import read_evaluation
from loopback_core.evaluation.outcome import Outcome, against_rival
from loopback_core.evaluation.sanity import faults
from loopback_core.evaluation.thresholds import Threshold
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.tasks.metrics import MAIN_METRIC

WITH_RIVAL = ("discovery", "next_listen", "cold_start", "new_users")
"""The tasks that have a rival."""


def recall_floor(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers' recall@100 in discovery is at or above `checks.recall_floor`."""
    evaluation = read_evaluation(artifact.folder)
    return _verdict(artifact, thresholds.against_floor(evaluation, settings.checks.recall_floor))


def beats_popularity(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers' recall@100 in discovery is at or above that of `popularity_users`."""
    return _verdict(artifact, thresholds.against_popularity(read_evaluation(artifact.folder)))


def evaluation_users(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Discovery and next_listen each have at least `checks.min_evaluation_users` scored users."""
    tasks, floor = read_evaluation(artifact.folder)["tasks"], settings.checks.min_evaluation_users
    users = {task: tasks[task]["users"] for task in ("discovery", "next_listen")}
    few = [f"{task} has {count:,} scored users" for task, count in users.items() if count < floor]
    sentence = (
        f"{' and '.join(few)}, fewer than {floor:,}: bring a longer log or more users, choose another split, or lower "
        "checks.min_evaluation_users"
    )
    return Verdict(not few, sentence if few else f"both tasks have at least {floor:,} scored users", users)


def metrics_sane(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every number is in its range: shares in [0, 1], values inside their intervals, recall not falling with K."""
    evaluation = read_evaluation(artifact.folder)
    rolling = {
        f"{task} at moments ({positives})": measured
        for task, sets in evaluation.get("rolling", {}).items()
        for positives, measured in sets.items()
    }
    wrong, read = faults({**evaluation["tasks"], **rolling})
    sentence = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    return Verdict(
        read > 0 and not wrong,
        sentence or f"{read:,} numbers are in their range",
        {"numbers": read, "faults": len(wrong)},
    )


def random_agrees(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Random lists, run for real, have as many hits as the closed form says: an exact test of the evaluator."""
    calibration = read_evaluation(artifact.folder)["calibration"]
    p, threshold = calibration["smallest_p"], calibration["threshold"]
    sentence = (
        f"the smallest p of {calibration['tests']} exact tests is {p:.2g} (Bonferroni); below {threshold:g} it fails"
    )
    return Verdict(p >= threshold, sentence, {"smallest_p": p, "threshold": threshold})


def features_cost(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """No group of features takes more than `checks.max_feature_ms` of a request, at the 99th percentile of any task."""
    costs, most = read_evaluation(artifact.folder).get("feature_costs", {}), settings.checks.max_feature_ms
    slowest: dict[str, tuple[float, str]] = {}
    for task, measured in costs.items():
        for name, cost in measured["groups"].items():
            slowest[name] = max(slowest.get(name, (0.0, task)), (cost["p99_ms"], task))
    if not slowest:
        return Verdict(True, "no request was timed", {})
    slow = [f"{name} takes {ms:.1f} ms in {task}" for name, (ms, task) in slowest.items() if ms > most]
    first = max(slowest, key=lambda name: slowest[name])
    sentence = (
        f"{'; '.join(slow)}; more than {most:g} ms (checks.max_feature_ms)"
        if slow
        else f"the slowest group of features, {first}, takes {slowest[first][0]:.1f} ms of a request (p99), of at most {most:g}"
    )
    return Verdict(not slow, sentence, {f"{name} p99_ms": round(ms, 3) for name, (ms, _) in slowest.items()})


def beats_rival(task: str) -> Predicate:
    """The check of one task."""

    def predicate(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
        against = against_rival(read_evaluation(artifact.folder), task)
        comparison, users = against.comparison, against.users
        if comparison is None or against.outcome is Outcome.UNKNOWN:
            return Verdict(True, f"no verdict in {task}: {users:,} users could be scored", {"users": users})
        sentence = (
            f"in {task} what is served against {against.rival}: {against.outcome} ({MAIN_METRIC} differs by "
            f"{comparison['difference']:+.4f} [{comparison['low']:+.4f}, {comparison['high']:+.4f}], p after Holm's "
            f"correction {comparison['p_holm']:.3f}, {users:,} users)"
        )
        numbers = {key: comparison[key] for key in ("difference", "low", "high", "p_holm")}
        return Verdict(against.outcome is Outcome.BEAT, sentence, {"rival": against.rival, **numbers, "users": users})

    predicate.__doc__ = (
        f"In {task} what is served beats the best baseline by {MAIN_METRIC}: interval above zero, p after Holm's correction "
        "at most .05."
    )
    return predicate


def _verdict(artifact: Artifact, threshold: Threshold) -> Verdict:
    facts = {"recall@100": threshold.value, "needed": threshold.needed, "report": str(artifact.folder / "report.md")}
    return Verdict(threshold.passed, threshold.sentence, facts)
