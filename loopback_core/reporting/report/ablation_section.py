"""The section on the ablation: a table per task, what each choice costs, and how to read it."""

from collections.abc import Container, Iterator

from loopback_core.evaluation.ablation_json import Ablation, recipe_of
from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.reporting.report.report_tables import DASH, cell, difference_cell, markdown_table
from loopback_core.reporting.report.task_sections import pictures_there
from loopback_core.tasks.metrics import MAIN_METRIC


def ablation_section(evaluation: Evaluation, pictures: Container[str]) -> Iterator[str]:
    """Paragraphs of the section; nothing when there was no ablation on the same splits."""
    if not (ablation := evaluation.get("ablation")):
        return
    yield "## What each choice is worth"
    if shown := pictures_there({"ablation.png": f"{MAIN_METRIC} on validation; bar: 95 % interval"}, pictures):
        yield shown
    yield from ablation_text(ablation)


def ablation_text(ablation: Ablation) -> Iterator[str]:
    """Paragraphs."""
    seeds = ", ".join(map(str, ablation["seeds"]))
    yield (
        f"Each row was trained on train alone, with the seeds {seeds}, and measured at several moments of validation: test was not "
        "read. `served` is the linear score, with weights that were fitted on two thirds of the users for the rest of them, and "
        "without what corrects the order of the best. Values are means over users of the mean over their requests and over seeds; "
        f"in brackets a 95 % percentile bootstrap over users ({ablation['resamples']:,} resamples), which does not cover the choice "
        f"of seeds. The difference is that to `{recipe_of(ablation)}`{_chosen(ablation)} over the same users. Epochs were chosen on "
        "the same validation: rows can be compared with each other, and not with what is measured on test."
    )
    for task, users in ablation["users"].items():
        yield f"{task.replace('_', ' ').capitalize()}, {users:,} users:"
        yield _task_table(ablation, task)
    yield "What they cost, as means over seeds:"
    yield _cost_table(ablation)
    for row in ablation["rows"]:
        if row["diverged"]:
            yield f"`{row['choice']}` diverged with seed {', '.join(map(str, row['diverged']))}, and has no values."


def _chosen(ablation: Ablation) -> str:
    of_log = ablation.get("of_log")
    return f", the recipe that the search chose for this log ({of_log})," if of_log else ""


def _task_table(ablation: Ablation, task: str) -> str:
    rows = []
    for row in ablation["rows"]:
        means, paired = row["tasks"].get(task, {}), row["paired"].get(task, {})
        cells = [_label(row["choice"], ablation)]
        for what in ("served", "alone"):
            cells.append(cell(means.get(what, {}).get(MAIN_METRIC), intervals=True))
            cells.append(difference_cell(paired.get(what, {}).get(MAIN_METRIC)))
        cells += [cell(means.get(what, {}).get("recall@100"), intervals=True) for what in ("served", "alone")]
        rows.append(cells)
    of_main = [f"{MAIN_METRIC}, served", "difference", f"{MAIN_METRIC}, alone", "difference"]
    return markdown_table(["choice", *of_main, "recall@100, served", "recall@100, alone"], rows, words=1)


def _cost_table(ablation: Ablation) -> str:
    rows = []
    for row in ablation["rows"]:
        epoch = DASH if row["best_epoch"] is None else f"{row['best_epoch']:.1f}"
        costs = [_whole(cost) for cost in (row["seconds"], row["targets_per_second"], row["parameters"])]
        rows.append([_label(row["choice"], ablation), epoch, *costs])
    return markdown_table(["choice", "best epoch", "seconds", "targets/s", "parameters"], rows, words=1)


def _label(choice: str, ablation: Ablation) -> str:
    return f"**{choice}**" if choice == recipe_of(ablation) else choice


def _whole(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"
