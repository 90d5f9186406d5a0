"""Tables of recommenders and metrics, and the format of a number in a cell."""

from collections.abc import Iterable, Mapping, Sequence

from loopback_core.evaluation.evaluation_json import Recommenders, TaskJson
from loopback_core.evaluation.significance import Comparison, Mean
from loopback_core.recommenders.lists import SERVED, TOWERS_ALONE_ID, is_ours
from loopback_core.reporting.safe_text import markdown
from loopback_core.tasks.metrics import MAIN_METRIC

DASH = "–"

Means = Mapping[str, Mean]
"""metric or other column -> mean."""

MetricRow = dict[str, str | float | None]
"""`recommender`, and the value of each metric."""


def metric_rows(task: TaskJson, columns: Sequence[str]) -> list[MetricRow]:
    """One row per recommender, best nDCG@10 first: its name and the value of each metric, for a table."""
    recommenders = task["recommenders"]
    return [
        {"recommender": name, **{column: value_of(recommenders[name], column) for column in columns}}
        for name in best_first(recommenders)
    ]


def best_first(recommenders: Recommenders) -> list[str]:
    """The recommenders by nDCG@10. Those that could not answer come last; the towers alone are left out while they
    are what is served."""
    alone, served = recommenders.get(TOWERS_ALONE_ID) or {}, recommenders.get(SERVED) or {}
    differs = any(alone[metric] != served[metric] for metric in alone.keys() & served.keys())
    listed = [name for name in recommenders if name != TOWERS_ALONE_ID or differs]
    listed.sort(key=lambda name: value_of(recommenders[name], MAIN_METRIC) or 0.0, reverse=True)
    listed.sort(key=lambda name: value_of(recommenders[name], MAIN_METRIC) is None)
    return listed


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """A Markdown table whose first columns hold words and whose other columns hold numbers."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def recommender_table(task: TaskJson, columns: Sequence[str], rival: str | None, *, intervals: bool = False) -> str:
    """The recommenders of a task in rows, best first: the towers bold, the best and the rival marked."""
    recommenders = task["recommenders"]
    order = best_first(recommenders)
    best = next((name for name in order if value_of(recommenders[name], MAIN_METRIC)), None)
    return rows_of_recommenders(
        {name: recommenders[name] or {} for name in order},
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
        label = f"**{markdown(name)}**" if is_ours(name) else markdown(name)
        values = [cell(means.get(column), intervals=intervals) for column in columns]
        rows.append([label, ", ".join(marks.get(name, ())), *values])
    return markdown_table(["recommender", "", *columns], rows, words=2)


def cell(mean: Mean | None, *, intervals: bool = False) -> str:
    """A value, with its interval if wanted and known; n/a is a dash."""
    if mean is None or (value := mean["value"]) is None:
        return DASH
    low, high = mean["low"], mean["high"]
    if not intervals or low is None or high is None:
        return f"{value:.4f}"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def difference_cell(comparison: Comparison | None) -> str:
    """A signed difference with its interval where there is one; a dash when nothing was compared."""
    if comparison is None:
        return DASH
    low, high = comparison["low"], comparison["high"]
    interval = "" if low is None or high is None else f" [{low:+.4f}, {high:+.4f}]"
    return f"{comparison['difference']:+.4f}{interval}"


def p_cell(comparison: Comparison | None) -> str:
    """p after Holm's correction."""
    p = None if comparison is None else comparison["p_holm"]
    return DASH if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def won_lost_tied(comparison: Comparison | None) -> str:
    """The users for whom the towers were better, worse and equal."""
    if comparison is None:
        return DASH
    return f"{comparison['won']:,} / {comparison['lost']:,} / {comparison['tied']:,}"


def value_of(means: Means | None, metric: str) -> float | None:
    """The value of a metric; None where it was not measured."""
    mean = (means or {}).get(metric)
    return None if mean is None else mean["value"]
