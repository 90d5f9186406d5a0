"""What fills a block of a document from one `seeds.json`."""

from loopback_core.evaluation.outcome import outcome
from loopback_core.recommenders.lists import TOWERS
from loopback_core.reporting.paper.paper_tables import filled_table, interval, number
from loopback_core.reporting.report.report_tables import TOWERS_ALONE_ID, difference_cell, p_cell, won_lost_tied
from loopback_core.reporting.seeds_json import Seeds
from loopback_core.tasks.metrics import MAIN_METRIC


def seeds_verdict(content: Seeds, name: str = "") -> str:
    """The towers, as the mean over seeds, against the rival of each task: a row for each task."""
    seeds = ", ".join(map(str, content["seeds"]))
    rows = []
    for task, measured in content["tasks"].items():
        comparisons = measured["against_rival"][TOWERS]
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
            ]
        )
    columns = ["task", "rival", "the towers", MAIN_METRIC, "p (Holm)", "recall@100", "won / lost / tied", "seeds"]
    return filled_table(columns, rows, words=3)


def seeds_table(content: Seeds, name: str = "") -> str:
    """Each seed and the mean over seeds: a row for each task and metric."""
    rows = []
    for task, measured in content["tasks"].items():
        for metric, each in measured["each"][TOWERS].items():
            served, rival, alone = (
                interval(measured["mean"][recommender][metric])
                for recommender in (TOWERS, measured["rival"], TOWERS_ALONE_ID)
            )
            difference = difference_cell(measured["against_rival"][TOWERS][metric])
            values = [" / ".join(map(number, each)), served, rival, difference, alone]
            rows.append([task, measured["rival"], metric, *values])
    each_seed = f"served, seeds {' / '.join(map(str, content['seeds']))}"
    columns = ["task", "rival", "metric", each_seed, "served", "rival's", "difference", "the towers alone"]
    return filled_table(columns, rows, words=3)
