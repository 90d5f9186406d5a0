"""Tables of recommenders and metrics."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopback_core.recommenders.lists import TOWERS
from loopback_core.reporting.safe_text import markdown
from loopback_core.tasks.metrics import MAIN_METRIC

DASH = "–"

ALONE = "two_tower_alone"

Means = Mapping[str, Mapping[str, float | None]]
"""metric -> value, low, high."""


def metric_rows(task: Mapping[str, Any], columns: Sequence[str]) -> list[dict[str, Any]]:
    """One row per recommender, best nDCG@10 first: its name and the value of each metric, for a table.

    task: one of `tasks` of evaluation.json. Who could not answer comes last; the towers alone are left out while they
    are what is served.
    """
    recommenders = task["recommenders"]
    alone, served = recommenders.get(ALONE) or {}, recommenders.get(TOWERS) or {}
    differs = any(alone[metric] != served[metric] for metric in alone.keys() & served.keys())
    listed = [name for name in recommenders if name != ALONE or differs]
    listed.sort(key=lambda name: _value(recommenders[name], MAIN_METRIC) or 0.0, reverse=True)
    listed.sort(key=lambda name: _value(recommenders[name], MAIN_METRIC) is None)
    return [
        {"recommender": name, **{column: _value(recommenders[name], column) for column in columns}} for name in listed
    ]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """A Markdown table whose first columns hold words and whose other columns hold numbers."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def recommender_table(
    task: Mapping[str, Any], columns: Sequence[str], rival: str | None, *, intervals: bool = False
) -> str:
    """The recommenders of a task in rows, best first: the towers bold, the best and the rival marked."""
    recommenders, order = task["recommenders"], metric_rows(task, [MAIN_METRIC])
    best = next((row["recommender"] for row in order if row[MAIN_METRIC]), None)
    return rows_of_recommenders(
        {row["recommender"]: recommenders[row["recommender"]] or {} for row in order},
        columns,
        {name: [mark for mark, of in (("best", best), ("rival", rival)) if of == name] for name in recommenders},
        intervals=intervals,
    )


def rows_of_recommenders(
    cells: Mapping[str, Means], columns: Sequence[str], marks: Mapping[str, Sequence[str]], *, intervals: bool
) -> str:
    """recommender -> column -> mean, as a table in the given order."""
    rows = []
    for name, means in cells.items():
        label = f"**{markdown(name)}**" if name.startswith(TOWERS) else markdown(name)
        values = [cell(means.get(column), intervals=intervals) for column in columns]
        rows.append([label, ", ".join(marks.get(name, ())), *values])
    return table(["recommender", "", *columns], rows, words=2)


def cell(mean: Mapping[str, float | None] | None, *, intervals: bool = False) -> str:
    """A value as it stands in a table, with its interval if asked for and known; n/a is a dash."""
    value, low, high = ((mean or {}).get(key) for key in ("value", "low", "high"))
    if value is None:
        return DASH
    if not intervals or low is None or high is None:
        return f"{value:.4f}"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _value(means: Means | None, metric: str) -> float | None:
    return ((means or {}).get(metric) or {}).get("value")
