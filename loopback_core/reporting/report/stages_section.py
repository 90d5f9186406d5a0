"""What each stage of the cascade is worth: each against the one before, on the same users."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Comparisons, Evaluation
from loopback_core.evaluation.rolling_evaluation import NEAR
from loopback_core.evaluation.significance import Comparison
from loopback_core.recommenders.lists import RERANKED, SERVED, TOWERS, TOWERS_ALONE_ID
from loopback_core.reporting.report.moments_section import horizon, moments_in_words
from loopback_core.reporting.report.report_tables import cell, difference_cell, markdown_table, won_lost_tied
from loopback_core.tasks.metrics import MAIN_METRIC

MADE_BY_STAGE = {"score": TOWERS, "ranker": SERVED}
"""Stage -> the recommender that it makes of the one before."""


def stages_section(evaluation: Evaluation) -> Iterator[str]:
    """Paragraphs of the section; nothing where the towers are served as they are."""
    stages = {task: of for task, of in evaluation.get("stages", {}).items() if of}
    if not stages:
        return
    moments = f"at {moments_in_words(evaluation)} moments, {horizon(evaluation)}" if "rolling" in evaluation else None
    yield "## What each stage is worth"
    yield (
        f"By {MAIN_METRIC}, each stage minus the one before on the same users, with its 95 % interval: `{TOWERS_ALONE_ID}` is the "
        f"product of the towers; `{TOWERS}` adds what is known of the user and the track (the linear score); `{SERVED}` puts its best "
        "candidates in order by a corrector, where validation says that it pays, and is compared with the linear score through the index; "
        f"`{RERANKED}` is the same in the order for "
        "diversity, which is served where `bundle.rerank` or a request says so. The verdict above is that of "
        f"`{SERVED}`."
    )
    rows = []
    for task, of_task in stages.items():
        at_several = evaluation.get("rolling", {}).get(task, {})
        later = at_several[NEAR].get("stages", {}) if NEAR in at_several else {}
        at_cut, at_moments = _by_recommender(of_task) | _reranked(evaluation, task), _by_recommender(later)
        for name in (TOWERS_ALONE_ID, *at_cut):
            means = evaluation["tasks"][task]["recommenders"].get(name) or {}
            rows.append(
                [
                    task.replace("_", " "),
                    f"`{name}`",
                    cell(means.get(MAIN_METRIC)),
                    difference_cell(at_cut.get(name)),
                    won_lost_tied(at_cut.get(name)),
                    *([difference_cell(at_moments.get(name))] if moments else []),
                ]
            )
    columns = [
        "task",
        "stage",
        MAIN_METRIC,
        "minus the one before",
        "won / lost / tied",
        *([moments] if moments else []),
    ]
    yield markdown_table(columns, rows, words=2)


def _by_recommender(stages: Comparisons) -> dict[str, Comparison]:
    return {MADE_BY_STAGE[stage]: of[MAIN_METRIC] for stage, of in stages.items()}


def _reranked(evaluation: Evaluation, task: str) -> dict[str, Comparison]:
    of = evaluation.get("reranking", {}).get(task)
    return {RERANKED: of["against"][SERVED][MAIN_METRIC]} if of and SERVED in of["against"] else {}
