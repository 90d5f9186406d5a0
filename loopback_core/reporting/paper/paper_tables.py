"""What fills a block of the paper: tables and a line of facts, from one `evaluation.json`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from loopback_core.recommenders.lists import TOWERS
from loopback_core.reporting.report import metric_rows
from loopback_core.reporting.report.ablation_section import ablation_text
from loopback_core.reporting.report.report_tables import ALONE
from loopback_core.tasks.metrics import MAIN_METRIC

Evaluation = Mapping[str, Any]
"""The content of an `evaluation.json`, perhaps an older one: any key may be missing."""

NOT_MEASURED, DASH = "*not measured in this run*", "–"
ACCURACY = ("ndcg@10", "hit_rate@10", "recall@100", "recall@1000")
BEYOND = ("coverage", "gini", "novelty", "artist_diversity", "popularity", "popularity_amplification")
SEGMENTS = {"recall@100": ("head", "mid", "tail"), "ndcg@10": ("light", "medium", "heavy", "repeaters", "explorers")}


def _facts(run: Evaluation, name: str) -> str:
    source, split, index, versions = (run.get(key, {}) for key in ("source", "split", "index", "versions"))
    seconds, peaks = run.get("seconds", {}), run.get("peak_rss_mb", {})
    digests = ", ".join(
        f"{step} `{versions.get(step, DASH)}`" for step in ("trained_towers", "baselines", "evaluation")
    )
    steps = ", ".join(f"{step} {_whole(seconds, step)} s / {_whole(peaks, step)} MB" for step in {**seconds, **peaks})
    return (
        f"**{name}**: {_whole(source, 'events')} listens, {_whole(source, 'users')} users, {_whole(source, 'tracks')} "
        f"tracks, {_whole(source, 'artists')} artists; split `{split.get('strategy', DASH)}` into "
        f"{_whole(split, 'train')} / {_whole(split, 'validation')} / {_whole(split, 'test')} listens; preset "
        f"`{_without_path(str(run.get('preset', DASH)))}`, seed {run.get('seed', DASH)}; index {index.get('kind', DASH)}, "
        f"recall@100 {_number(index.get('recall@100'))}; versions {digests}; "
        f"{sum(value or 0 for value in seconds.values()):,.0f} s in all, and the peak memory of each step: {steps}."
    )


def _verdict(run: Evaluation, name: str) -> str:
    rows = []
    for task, rival in run.get("rival", {}).items():
        paired = run.get("paired", {}).get(task, {}).get(rival) or {}
        main, deep = paired.get(MAIN_METRIC, {}), paired.get("recall@100", {})
        low, high = main.get("low"), main.get("high")
        word = "beat it" if (low or 0) > 0 else "lose to it" if (high or 0) < 0 else "cannot be told apart from it"
        verdict = "too few users for a verdict" if low is None else word
        p = f"{_number(main.get('p'))} / {_number(main.get('p_holm'))}"
        won = " / ".join(_whole(main, key) for key in ("won", "lost", "tied"))
        rows.append([task, rival or DASH, verdict, _interval(main, "+.4f"), p, _interval(deep, "+.4f"), won])
    columns = ["task", "rival", "the towers", MAIN_METRIC, "p / Holm's p", "recall@100", "won / lost / tied"]
    return _markdown(columns, rows, words=3)


def _tuning(run: Evaluation, name: str) -> str:
    rows = []
    for task, baselines in run.get("tuning", {}).items():
        for baseline, tuned in sorted(baselines.items(), key=lambda item: -(item[1].get(MAIN_METRIC) or -1)):
            chosen = ", ".join(f"{key} {value}" for key, value in (tuned.get("settings") or {}).items())
            tried = str(len(tuned.get("trials") or []))
            rows.append([task, baseline, chosen or DASH, _number(tuned.get(MAIN_METRIC)), tried])
    table = _markdown(["task", "baseline", "chosen", f"{MAIN_METRIC} on validation", "points tried"], rows, words=3)
    obstacles = [f"Not fitted: {baseline}. {why}." for baseline, why in run.get("obstacles", {}).items()]
    return "\n\n".join([table, *obstacles])


def _ablation(content: Mapping[str, Any], name: str) -> str:
    return "\n\n".join(ablation_text(content))


def seeds_table(content: Mapping[str, Any], name: str = "") -> str:
    """What `loopback_core.reporting.seeds` found: a row for each task and metric."""
    rows = []
    for task, of in content["tasks"].items():
        for metric, each in of["each"][TOWERS].items():
            served, rivals, alone = (of["mean"][who][metric] for who in (TOWERS, of["rival"], ALONE))
            difference = _interval(of["against_rival"][TOWERS][metric], "+.4f")
            values = [
                " / ".join(map(_number, each)),
                _interval(served),
                _interval(rivals),
                difference,
                _interval(alone),
            ]
            rows.append([task, of["rival"], metric, *values])
    each_seed = f"served, seeds {' / '.join(map(str, content['seeds']))}"
    columns = ["task", "rival", "metric", each_seed, "served", "rival's", "difference", "the towers alone"]
    return _markdown(columns, rows, words=3)


def _table(run: Evaluation, task: str) -> str:
    measured, lost = run.get("tasks", {}).get(task), run.get("unreachable_positives", {}).get(task)
    if not measured:
        return NOT_MEASURED
    leak = task == "reference_protocol"
    fate = "is unknown to train" if leak else "lies outside the catalog and is not scored"
    outside = f"; {100 * lost:.1f} % of what they play there {fate}" if lost else ""
    counts = f"{_whole(measured, 'users')} users, {_whole(measured, 'positives')} positives{outside}."
    table = _recommenders(measured["recommenders"], measured, ACCURACY, rival=run.get("rival", {}).get(task))
    return f"{counts}\n\n{table}"


def _segments(run: Evaluation, task: str) -> str:
    segments, measured = run.get("segments", {}).get(task), run.get("tasks", {}).get(task)
    if not (segments and measured):
        return NOT_MEASURED
    parts = []
    for metric, names in SEGMENTS.items():
        cells = {
            who: {name: ((segments.get(name) or {}).get(who) or {}).get(metric) for name in names}
            for who in measured["recommenders"]
        }
        parts.append(f"{metric} by segment:\n\n{_recommenders(cells, measured, names)}")
    return "\n\n".join(parts)


def _beyond(run: Evaluation, task: str) -> str:
    measured, columns = run.get("tasks", {}).get(task) or {}, [f"{metric}@10" for metric in BEYOND]
    shown = {who: of or {} for who, of in measured.get("recommenders", {}).items() if set(columns) & set(of or {})}
    return _recommenders(shown, measured, columns) if shown else NOT_MEASURED


def _recommenders(
    cells: Mapping[str, Any], task: Mapping[str, Any], columns: Sequence[str], rival: str | None = None
) -> str:
    """Recommenders in rows: the best nDCG@10 of the task first, those that cannot answer it last."""
    rows = []
    for row in metric_rows(task, [MAIN_METRIC]):
        if (who := row["recommender"]) in cells:
            label = f"**{_without_path(who)}**" if who.startswith("two_tower") else who
            values = [_interval((cells[who] or {}).get(column) or {}) for column in columns]
            rows.append([label + " (rival)" * (who == rival), *values])
    return _markdown(["recommender", *columns], rows, words=1)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A table whose first columns hold words and whose other columns hold numbers."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words)
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows)) if rows else NOT_MEASURED


def _interval(mean: Mapping[str, float | None], sign: str = "") -> str:
    value, low, high = (mean.get(key) for key in ("value" if not sign else "difference", "low", "high"))
    return _number(value, sign) + ("" if low is None else f" [{_number(low, sign)}, {_number(high, sign)}]")


def _number(value: float | None, form: str = "") -> str:
    return DASH if value is None else format(value, form or (".4f" if abs(value) < 10 else ",.1f"))


def _whole(numbers: Mapping[str, Any], key: str) -> str:
    return DASH if numbers.get(key) is None else f"{numbers[key]:,.0f}"


def _without_path(name: str) -> str:
    """A user's own preset is called by its path, also in `two_tower:<preset>`: 'custom' stands for it."""
    kind, colon, preset = name.partition(":") if name.startswith("two_tower") else ("", "", name)
    return kind + colon + ("custom" if re.search(r"[/\\]|\.toml$", preset) else preset)


OF_SEVERAL = {"ablation": _ablation, "seeds": seeds_table}
"""Of several trainings, which files of their own tell of."""

OF_RUN = {"facts": _facts, "verdict": _verdict, "tuning": _tuning, **OF_SEVERAL}
KINDS = {**OF_RUN, "table": _table, "segments": _segments, "beyond": _beyond}
"""Kind of block -> what fills it, given the run and its name or, for those not in OF_RUN, the task."""
