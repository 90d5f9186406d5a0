"""The lineage in Markdown: a table per task, and what each family costs."""

from collections.abc import Iterator

from loopback_core.lineage.lineage_json import Lineage
from loopback_core.reporting.report.report_tables import DASH, cell, difference_cell, markdown_table
from loopback_core.tasks.metrics import MAIN_METRIC

COST_COLUMNS = {
    "p50_ms": ("p50, ms", ".1f"),
    "p99_ms": ("p99, ms", ".1f"),
    "search_p50_ms": ("search p50, ms", ".1f"),
    "search_p99_ms": ("search p99, ms", ".1f"),
    "bytes_per_track": ("bytes a track", ",.0f"),
    "build_seconds": ("build, s", ".1f"),
    "seconds": ("training, s", ",.0f"),
    "best_epoch": ("best epoch", ".1f"),
    "parameters": ("parameters", ",.0f"),
    "mean_cosine": ("cosine", ".3f"),
    "share_found, discovery": ("found, discovery", ".4f"),
    "share_found, next_listen": ("found, next listen", ".4f"),
}
"""Cost -> name of the column, format."""


def lineage_text(lineage: Lineage) -> Iterator[str]:
    """Paragraphs."""
    seeds = ", ".join(map(str, lineage["seeds"]))
    yield (
        f"Each family was trained on train alone, with the seeds {seeds}, and measured on validation as it is served, through its "
        "index: test was not read. Values are means over users of the mean over seeds; in brackets a 95 % percentile bootstrap "
        f"over users ({lineage['resamples']:,} resamples), which does not cover the choice of seeds. The difference is that to "
        f"`{lineage['plain']}` over the same users. No family has popularity or a personal prior in its score."
    )
    for task, users in lineage["users"].items():
        yield f"{task.replace('_', ' ').capitalize()}, {users:,} users; bold: on the Pareto front of {MAIN_METRIC} and p99:"
        yield _task_table(lineage, task)
    yield (
        f"What they cost, as means over seeds, with a catalog of {lineage['tracks']:,} tracks. A query is a list of 100 tracks from a "
        "history, one at a time on one core; search is the part after the user's vectors are known. cosine: between the vectors "
        "of a user who has several, where 1 means that they have collapsed into one. found: share of the 100 best of every track "
        "of the catalog that the list holds."
    )
    yield _cost_table(lineage)
    for row in lineage["rows"]:
        if row["diverged"]:
            yield f"`{row['family']}` diverged with seed {', '.join(map(str, row['diverged']))}, and has no values."


def _task_table(lineage: Lineage, task: str) -> str:
    rows = []
    for row in lineage["rows"]:
        means, paired = row["tasks"].get(task, {}), row["paired"].get(task, {})
        name = f"**{row['family']}**" if row["on_front"].get(task) else row["family"]
        cells = [name, row["title"]]
        for metric in (MAIN_METRIC, "recall@100"):
            cells += [cell(means.get(metric), intervals=True), difference_cell(paired.get(metric))]
        rows.append(cells)
    return markdown_table(["family", "", MAIN_METRIC, "difference", "recall@100", "difference"], rows, words=2)


def _cost_table(lineage: Lineage) -> str:
    rows = [
        [
            row["family"],
            *(
                format(row["costs"][cost], form) if cost in row["costs"] else DASH
                for cost, (_, form) in COST_COLUMNS.items()
            ),
        ]
        for row in lineage["rows"]
    ]
    return markdown_table(["family", *(name for name, _ in COST_COLUMNS.values())], rows, words=1)
