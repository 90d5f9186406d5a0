"""The first section of the report: is what is served better than the best baseline, by how much, how surely."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.outcome import AgainstRival, Outcome, against_rivals
from loopback_core.evaluation.rolling_evaluation import NEAR, REST
from loopback_core.evaluation.significance import Comparison
from loopback_core.evaluation.thresholds import against_floor, against_popularity
from loopback_core.reporting.report.moments_section import horizon, moments_in_words
from loopback_core.reporting.report.report_tables import DASH, difference_cell, markdown_table, p_cell, won_lost_tied
from loopback_core.reporting.safe_text import code
from loopback_core.tasks.metrics import MAIN_METRIC


def verdict(evaluation: Evaluation) -> list[str]:
    """The first paragraphs of the report: one sentence, a table of the rivals, its definitions, the checks."""
    rivals = against_rivals(evaluation)
    return [_summary(rivals), *_table(rivals, evaluation), _checks(evaluation)]


def _summary(rivals: list[AgainstRival]) -> str:
    """What is served "beat it" in these tasks, is "ahead, …" in those: the tasks by outcome."""
    parts = []
    for outcome in Outcome:
        named = [f"{_task(one)}{_against(one)}" for one in rivals if one.outcome is outcome]
        if named:
            parts.append(f"**{outcome}** in {_listed(named)}")
    outcomes = "; ".join(parts) or "nothing was compared"
    return (
        f"What is served against the best baseline of each task, by {MAIN_METRIC.replace('ndcg', 'nDCG')}: {outcomes}."
    )


def _against(one: AgainstRival) -> str:
    if one.rival is None:
        return " (no baseline answered)"
    if one.comparison is None or one.outcome is Outcome.UNKNOWN:
        return f" ({one.users:,} scored user{'s' * (one.users != 1)}, too few)"
    return f" ({code(one.rival)}, {one.comparison['difference']:+.4f})"


def _table(rivals: list[AgainstRival], evaluation: Evaluation) -> Iterator[str]:
    rolling = "rolling" in evaluation
    words = moments_in_words(evaluation)
    at_moments = (
        {NEAR: f"at {words} moments, {horizon(evaluation)}", REST: f"at {words} moments, rest"} if rolling else {}
    )
    columns = [
        *("task", "rival", "what is served", f"difference of {MAIN_METRIC}", "p (Holm)"),
        *at_moments.values(),
        *("won / lost / tied", "users"),
    ]
    rows = [
        [
            _task(one),
            code(one.rival) if one.rival else DASH,
            str(one.outcome),
            difference_cell(one.comparison),
            p_cell(one.comparison),
            *(difference_cell(_at_moments(evaluation, one, positives)) for positives in at_moments),
            won_lost_tied(one.comparison),
            f"{one.users:,}",
        ]
        for one in rivals
    ]
    if rows:
        yield markdown_table(columns, rows, words=3)
        yield (
            "The *rival* of a task is the baseline that was best on validation. The difference is what is served minus "
            "the rival on the same users, with its 95 % interval. *Beat it* and *lose to it*: the interval excludes zero, "
            "and p, corrected for the number of baselines (Holm), is at most .05."
        )
        if rolling:
            yield (
                f"At {words} moments: the same difference, with the same users asked again during test, of the tracks of the "
                f"next {horizon(evaluation)} and of those of the rest of test (see the section of that name). It is "
                "surer where the official cut has few users. The verdict is that of the official cut."
            )


def _at_moments(evaluation: Evaluation, one: AgainstRival, positives: str) -> Comparison | None:
    of = evaluation.get("rolling", {}).get(one.task, {}).get(positives)
    return of["paired"].get(one.rival or "", {}).get(MAIN_METRIC) if of else None


def _checks(evaluation: Evaluation) -> str:
    floor = against_floor(evaluation, evaluation["settings"]["checks"]["recall_floor"])
    checks = {"recall_floor": floor, "beats_popularity": against_popularity(evaluation)}
    return "\n".join(
        f"- Check `{name}` **{'passed' if threshold.passed else 'FAILED'}**: {threshold.sentence}."
        for name, threshold in checks.items()
    )


def _task(one: AgainstRival) -> str:
    return one.task.replace("_", " ")


def _listed(parts: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
