"""What the report says of an ablation: a table per task, what each choice costs, and how to read it."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

from loopback_core.reporting.report.report_tables import DASH, cell, table
from loopback_core.reporting.report.task_sections import pictures_there
from loopback_core.settings import RECIPE
from loopback_core.tasks.metrics import MAIN_METRIC


def ablation_section(evaluation: Mapping[str, Any], pictures: Container[str]) -> Iterator[str]:
    """Paragraphs of the section; none when there was no ablation on the same splits."""
    if not (content := evaluation.get("ablation")):
        return
    yield "## What each choice is worth"
    if shown := pictures_there({"ablation.png": f"{MAIN_METRIC} on validation; bar: 95 % interval"}, pictures):
        yield shown
    yield from ablation_text(content)


def ablation_text(content: Mapping[str, Any]) -> Iterator[str]:
    """Paragraphs. content: that of `ablation.json`."""
    seeds = ", ".join(map(str, content["seeds"]))
    yield (
        f"Each row was trained on train alone, with the seeds {seeds}, and measured on validation: test was not read. Values "
        "are means over users of the mean over seeds; in brackets a 95 % percentile bootstrap over users "
        f"({content['resamples']:,} resamples), which does not cover the choice of seeds. The difference is that to "
        f"`{RECIPE}` over the same users. Epochs and the weights of what is served were chosen on the same validation: rows "
        "can be compared with each other, and not with what is measured on test."
    )
    for task, users in content["users"].items():
        yield f"{task.replace('_', ' ').capitalize()}, {users:,} users:"
        yield _task_table(content, task)
    yield "What they cost, as means over seeds:"
    yield _cost_table(content)
    for row in content["rows"]:
        if row["diverged"]:
            yield f"`{row['choice']}` diverged with seed {', '.join(map(str, row['diverged']))}, and has no values."


def _task_table(content: Mapping[str, Any], task: str) -> str:
    columns = [f"{MAIN_METRIC}, served", "difference", f"{MAIN_METRIC}, alone", "difference", "recall@100, served"]
    rows = []
    for row in content["rows"]:
        means, paired = row["tasks"].get(task, {}), row["paired"].get(task, {})
        served, alone = means.get("served", {}), means.get("alone", {})
        cells = [
            cell(served.get(MAIN_METRIC), intervals=True),
            _difference(paired.get("served", {}).get(MAIN_METRIC)),
            cell(alone.get(MAIN_METRIC), intervals=True),
            _difference(paired.get("alone", {}).get(MAIN_METRIC)),
            cell(served.get("recall@100"), intervals=True),
            cell(alone.get("recall@100"), intervals=True),
        ]
        rows.append([_label(row["choice"]), *cells])
    return table(["choice", *columns, "recall@100, alone"], rows, words=1)


def _cost_table(content: Mapping[str, Any]) -> str:
    rows = []
    for row in content["rows"]:
        epoch = DASH if row["best_epoch"] is None else f"{row['best_epoch']:.1f}"
        costs = [_whole(row[cost]) for cost in ("seconds", "targets_per_second", "parameters")]
        rows.append([_label(row["choice"]), epoch, *costs])
    return table(["choice", "best epoch", "seconds", "targets/s", "parameters"], rows, words=1)


def _label(choice: str) -> str:
    return f"**{choice}**" if choice == RECIPE else choice


def _whole(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"


def _difference(paired: Mapping[str, Any] | None) -> str:
    if not paired:
        return DASH
    interval = "" if paired["low"] is None else f" [{paired['low']:+.4f}, {paired['high']:+.4f}]"
    return f"{paired['difference']:+.4f}{interval}"
