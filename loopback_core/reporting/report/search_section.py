"""Which recipe was chosen for the log, and against which others."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.reporting.report.report_tables import markdown_table
from loopback_core.reporting.report.task_sections import folded
from loopback_core.reporting.safe_text import markdown


def search_section(evaluation: Evaluation) -> Iterator[str]:
    """A sentence and a folded table; nothing where no recipe was searched."""
    if not (search := evaluation.get("search")):
        return
    chosen, trials = search["chosen"], search["trials"]
    seconds = sum(
        max(trial["seconds"] for trial in trials if trial["recipe"] == recipe)
        for recipe in {trial["recipe"] for trial in trials}
    )
    yield (
        f"The recipe for this log is **{markdown(chosen)}**. It was chosen by successive halving on validation, by "
        f"{search['metric']}, over {search['listens']:,} listens of train; the trainings took {seconds:,.0f} s."
    )
    rows = [
        [markdown(trial["recipe"]), str(trial["epochs"]), f"{trial['value']:.4f}", f"{trial['seconds']:,.0f}"]
        for trial in trials
    ]
    columns = ["recipe", "epochs", f"{search['metric']} on validation", "seconds"]
    yield from folded("The recipes that were tried", markdown_table(columns, rows, words=1))
