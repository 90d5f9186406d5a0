"""What fills a block of a document from one `evaluation.json`: tables and a line of facts."""

import re
from collections.abc import Mapping, Sequence

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.outcome import against_rivals
from loopback_core.evaluation.significance import Mean
from loopback_core.recommenders.lists import is_ours
from loopback_core.reporting.report.report_tables import (
    DASH,
    Means,
    best_first,
    difference_cell,
    markdown_table,
    won_lost_tied,
)
from loopback_core.reporting.report.tuning_section import settings_text, tuned_baselines
from loopback_core.tasks.metrics import MAIN_METRIC

NOT_MEASURED = "*not measured in this run*"
ACCURACY = ("ndcg@10", "hit_rate@10", "recall@100", "recall@1000")
BEYOND = ("coverage", "gini", "novelty", "artist_diversity", "popularity", "popularity_amplification")
BY_SEGMENT = {"recall@100": ("head", "mid", "tail"), "ndcg@10": ("light", "medium", "heavy", "repeaters", "explorers")}


def facts(run: Evaluation, name: str) -> str:
    """A sentence: the log, the split, preset and seed, index, versions, time and memory."""
    source, split, index, versions = run["source"], run["split"], run["index"], run["versions"]
    seconds, peaks = run["seconds"], run.get("peak_rss_mb", {})
    digests = ", ".join(
        f"{step} `{versions.get(step, DASH)}`" for step in ("trained_towers", "baselines", "evaluation")
    )
    steps = ", ".join(
        f"{step} {whole_number(seconds.get(step))} s / {whole_number(peaks.get(step))} MB"
        for step in {**seconds, **peaks}
    )
    return (
        f"**{name}**: {source['events']:,} listens, {source['users']:,} users, {source['tracks']:,} tracks, "
        f"{source['artists']:,} artists; split `{split['strategy']}` into {split['train']:,} / {split['validation']:,} / "
        f"{split['test']:,} listens; preset `{_without_path(run['preset'])}`, seed {run['seed']}; index {index['kind']}, "
        f"recall@100 {number(index['recall@100'])}; versions {digests}; {sum(seconds.values()):,.0f} s in all, and the "
        f"peak memory of each step: {steps}."
    )


def rivals(run: Evaluation, name: str) -> str:
    """The towers against the rival of each task, in the words of `evaluation/outcome.py`."""
    rows = []
    for one in against_rivals(run):
        p, p_holm = (None, None) if one.comparison is None else (one.comparison["p"], one.comparison["p_holm"])
        rows.append(
            [
                one.task,
                one.rival or DASH,
                str(one.outcome),
                difference_cell(one.comparison),
                f"{number(p)} / {number(p_holm)}",
                difference_cell(one.deep),
                won_lost_tied(one.comparison),
            ]
        )
    columns = ["task", "rival", "what is served", MAIN_METRIC, "p / Holm's p", "recall@100", "won / lost / tied"]
    return filled_table(columns, rows, words=3)


def tuning(run: Evaluation, name: str) -> str:
    """The settings of each baseline, the best on validation first, and why others were not fitted."""
    rows = [
        [task, baseline, settings_text(tuned) or DASH, number(tuned["ndcg@10"]), str(len(tuned["trials"]))]
        for task, baseline, tuned in tuned_baselines(run)
    ]
    columns = ["task", "baseline", "chosen", f"{MAIN_METRIC} on validation", "points tried"]
    obstacles = [f"Not fitted: {baseline}. {why}." for baseline, why in run.get("obstacles", {}).items()]
    return "\n\n".join([filled_table(columns, rows, words=3), *obstacles])


def task_table(run: Evaluation, task: str) -> str:
    """The recommenders of a task by accuracy."""
    measured, lost = run["tasks"].get(task), run["unreachable_positives"].get(task)
    if not measured:
        return NOT_MEASURED
    leak = task == "reference_protocol"
    fate = "is unknown to train" if leak else "lies outside the catalog and is not scored"
    outside = f"; {100 * lost:.1f} % of what they play there {fate}" if lost else ""
    counts = f"{measured['users']:,} users, {measured['positives']:,} positives{outside}."
    cells = {name: means or {} for name, means in measured["recommenders"].items()}
    return f"{counts}\n\n{_recommenders(run, task, cells, ACCURACY, rival=run['rival'].get(task))}"


def segments(run: Evaluation, task: str) -> str:
    """The recommenders of a task by segment of the tracks and of the users."""
    of_task = run.get("segments", {}).get(task)
    if not of_task or task not in run["tasks"]:
        return NOT_MEASURED
    parts = []
    for metric, names in BY_SEGMENT.items():
        cells: dict[str, Means] = {
            recommender: {
                name: mean for name in names if (mean := (of_task.get(name, {}).get(recommender) or {}).get(metric))
            }
            for recommender in run["tasks"][task]["recommenders"]
        }
        parts.append(f"{metric} by segment:\n\n{_recommenders(run, task, cells, names)}")
    return "\n\n".join(parts)


def beyond(run: Evaluation, task: str) -> str:
    """The recommenders of a task by metrics other than accuracy."""
    if task not in run["tasks"]:
        return NOT_MEASURED
    columns = [f"{metric}@10" for metric in BEYOND]
    recommenders = run["tasks"][task]["recommenders"]
    measured = {name: means for name, means in recommenders.items() if means and not means.keys().isdisjoint(columns)}
    return _recommenders(run, task, measured, columns)


def _recommenders(
    run: Evaluation, task: str, cells: Mapping[str, Means], columns: Sequence[str], rival: str | None = None
) -> str:
    """Recommenders in rows: the best nDCG@10 of the task first, those that cannot answer it last."""
    rows = []
    for name in best_first(run["tasks"][task]["recommenders"]):
        if name in cells:
            label = f"**{_without_path(name)}**" if is_ours(name) else name
            values = [interval(cells[name].get(column)) for column in columns]
            rows.append([label + " (rival)" * (name == rival), *values])
    return filled_table(["recommender", *columns], rows, words=1)


def filled_table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A table; a sentence instead of one without rows."""
    return markdown_table(columns, rows, words) if rows else NOT_MEASURED


def interval(mean: Mean | None) -> str:
    """A value with its interval; a dash where it was not measured."""
    if mean is None:
        return DASH
    low, high = mean["low"], mean["high"]
    return number(mean["value"]) + ("" if low is None else f" [{number(low)}, {number(high)}]")


def number(value: float | None) -> str:
    """Four decimals; one for what is 10 or more."""
    return DASH if value is None else f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"


def whole_number(value: float | None) -> str:
    """A whole number."""
    return DASH if value is None else f"{value:,.0f}"


def _without_path(name: str) -> str:
    """A user's own preset is called by its path, also in `two_tower:<preset>`: 'custom' stands for it."""
    kind, colon, preset = name.partition(":") if is_ours(name) else ("", "", name)
    return kind + colon + ("custom" if re.search(r"[/\\]|\.toml$", preset) else preset)
