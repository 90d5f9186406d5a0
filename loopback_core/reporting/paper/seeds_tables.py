"""What fills a block of a document from one `seeds.json`."""

from loopback_core.evaluation.outcome import outcome
from loopback_core.evaluation.rolling_evaluation import NEAR, REST
from loopback_core.evaluation.significance import Comparison
from loopback_core.recommenders.lists import SERVED, TOWERS_ALONE_ID
from loopback_core.reporting.paper.paper_tables import filled_table, interval, number
from loopback_core.reporting.report.report_tables import difference_cell, p_cell, won_lost_tied
from loopback_core.reporting.seeds_json import Seeds, SeedsTask, SeedsValues
from loopback_core.tasks.metrics import MAIN_METRIC


def seeds_verdict(content: Seeds, name: str = "") -> str:
    """The towers, as the mean over seeds, against the rival of each task: a row for each task."""
    seeds = ", ".join(map(str, content["seeds"]))
    rolling = _sets_of_positives(content)
    rows = []
    for task, measured in content["tasks"].items():
        comparisons = measured["against_rival"][SERVED]
        main, deep = comparisons[MAIN_METRIC], comparisons["recall@100"]
        rows.append(
            [
                task,
                measured["rival"],
                str(outcome(main)),
                difference_cell(main),
                p_cell(main),
                difference_cell(deep),
                won_lost_tied(main),
                seeds,
                *(difference_cell(_at_moments(measured, positives)) for positives in rolling),
            ]
        )
    columns = ["task", "rival", "what is served", MAIN_METRIC, "p (Holm)", "recall@100", "won / lost / tied", "seeds"]
    return filled_table([*columns, *rolling.values()], rows, words=3)


def _sets_of_positives(content: Seeds) -> dict[str, str]:
    """The sets of positives that were measured at moments -> the heading of their column."""
    present = {positives for of in content["tasks"].values() for positives in of.get("rolling", {})}
    when = f"{MAIN_METRIC} at {content.get('moments')} moments"
    headings = {NEAR: f"{when}, next {content.get('horizon_days', 0):g} days", REST: f"{when}, rest"}
    return {positives: heading for positives, heading in headings.items() if positives in present}


def _at_moments(measured: SeedsTask, positives: str) -> Comparison | None:
    of = measured.get("rolling", {}).get(positives)
    return of["against_rival"][SERVED][MAIN_METRIC] if of else None


def seeds_table(content: Seeds, name: str = "") -> str:
    """Each seed and the mean over seeds: a row for each task and metric."""
    rolling = _sets_of_positives(content)
    rows = []
    for task, measured in content["tasks"].items():
        rows += [[task, measured["rival"], metric, *_cells(measured, metric)] for metric in measured["each"][SERVED]]
        for positives, heading in rolling.items():
            if of := measured.get("rolling", {}).get(positives):
                rows.append([task, measured["rival"], heading, *_cells(of, MAIN_METRIC)])
    each_seed = f"served, seeds {' / '.join(map(str, content['seeds']))}"
    columns = ["task", "rival", "metric", each_seed, "served", "rival's", "difference", "the towers alone"]
    return filled_table(columns, rows, words=3)


def _cells(values: SeedsValues, metric: str) -> list[str]:
    """Each seed, the means of the served towers, of the rival and of the towers alone, and the difference between."""
    served, rival, alone = (
        interval(values["mean"][recommender][metric]) for recommender in (SERVED, values["rival"], TOWERS_ALONE_ID)
    )
    each = " / ".join(map(number, values["each"][SERVED][metric]))
    return [each, served, rival, difference_cell(values["against_rival"][SERVED][metric]), alone]
