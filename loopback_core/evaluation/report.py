"""`report.md`: what was measured on what, the tables, the plots, and what the numbers do not say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopback_core.evaluation.metrics import MAIN_METRIC, METRICS
from loopback_core.evaluation.thresholds import beats_popularity, recall_floor

TITLES = {
    "discovery": "Discovery: tracks the user has never played",
    "next_listen": "Next listen: everything the user goes on to play, repeats included",
    "reference_protocol": "Reference protocol: for comparison with published numbers only",
}
MEANINGS = {
    "discovery": "Candidates are the catalog without what the user played; positives are the distinct catalog tracks "
    "that the user plays in test for the first time.",
    "next_listen": "Candidates are the whole catalog; positives are the distinct catalog tracks that the user plays "
    "in test. Most listens are repeats, so knowing what somebody plays often is hard to beat.",
    "reference_protocol": "Candidates are every track of the log, also those that occur only after train; histories end "
    "with train. **This protocol leaks**: a track that nobody played before is in the log only because somebody is "
    "about to play it. Its hit rates can be set beside the reference implementation's, and are no estimate of quality.",
}

GENERATED = (
    "- **The log is generated.** Its tastes were planted: the numbers show that the pipeline works and learns, and say "
    "nothing about people."
)

Metrics = Mapping[str, Mapping[str, float | None]]


def write_report(evaluation: Mapping[str, Any], folder: Path) -> None:
    """Write `report.md` beside its plots. evaluation: the content of `evaluation.json`."""
    sections = [
        "# Evaluation",
        *_verdicts(evaluation),
        "## What was measured on what",
        *_setting(evaluation),
        *(line for task in evaluation["tasks"] for line in _task(task, evaluation)),
        "## Pictures",
        "![Recall by K](recall.png)",
        "![Popularity of what is recommended against what is played](popularity.png)",
        "![Training curve](training.png)",
        "## How to read the numbers",
        "\n".join(f"- `{formula}`" for formula in METRICS.values()),
        "Means over users; the range in brackets is a 95 % percentile bootstrap over users "
        f"({evaluation['settings']['evaluation']['resamples']:,} resamples, shared by all recommenders). Lists are never "
        "padded: a recommender that has nothing more to say misses. A dash means that a recommender cannot answer the "
        "task at all.",
        "## What the numbers do not say",
        *_limits(evaluation),
    ]
    (folder / "report.md").write_text("\n\n".join(sections) + "\n", "utf-8")


def metric_rows(task: Mapping[str, Any], columns: list[str]) -> list[dict[str, Any]]:
    """One row per recommender, best nDCG@10 first: its name and the value of each metric, for a table."""

    def main(item: tuple[str, Metrics | None]) -> float:
        return (item[1] or {}).get(MAIN_METRIC, {}).get("value") or -1.0

    listed = sorted(task["recommenders"].items(), key=main, reverse=True)
    return [
        {"recommender": name, **{column: ((metrics or {}).get(column) or {}).get("value") for column in columns}}
        for name, metrics in listed
        if name != "two_tower_alone"
    ]


def _verdicts(evaluation: Mapping[str, Any]) -> list[str]:
    lines = []
    for task, rival in evaluation["rival"].items():
        measured = evaluation["tasks"][task]
        paired = evaluation["paired"][task].get(rival, {}).get(MAIN_METRIC) if rival else None
        if paired is None or paired["low"] is None:
            lines.append(f"- **{task}**: {measured['users']} users could be scored, too few for a verdict.")
            continue
        word = "beats" if paired["low"] > 0 else "loses to" if paired["high"] < 0 else "cannot be told apart from"
        lines.append(
            f"- **{task}**: the two-tower **{word}** `{rival}`, the baseline that was best on validation: {MAIN_METRIC} "
            f"differs by {paired['difference']:+.4f} [{paired['low']:+.4f}, {paired['high']:+.4f}] over "
            f"{measured['users']:,} users ({paired['won']} won, {paired['lost']} lost, {paired['tied']} tied)."
        )
    floor = recall_floor(evaluation, evaluation["settings"]["checks"]["recall_floor"])
    for name, threshold in {"recall_floor": floor, "beats_popularity": beats_popularity(evaluation)}.items():
        lines.append(f"- Check `{name}` **{'passed' if threshold.passed else 'FAILED'}**: {threshold.sentence}.")
    return ["\n".join(lines)]


def _setting(evaluation: Mapping[str, Any]) -> list[str]:
    source, split, settings = evaluation["source"], evaluation["split"], evaluation["settings"]
    index = evaluation["index"]
    latency = (
        "" if index["p50_ms"] is None else f", {index['p50_ms']:.2f} ms p50 and {index['p99_ms']:.2f} ms p99 a query"
    )
    return [
        f"- Log `{source['name']}`: {source['events']:,} listens of {source['tracks']:,} tracks by {source['artists']:,} "
        f"artists, {source['users']:,} users.\n"
        f"- Split `{split['strategy']}`: {split['train']:,} listens in train, {split['validation']:,} in validation, "
        f"{split['test']:,} in test.\n"
        f"- Towers: preset `{evaluation['preset']}`, seed {evaluation['seed']}, weights from train, chosen on validation "
        f"by {settings['training']['validation_metric']}, not refitted. Baselines: tuned on validation, then fitted on "
        "train + validation.\n"
        "- At prediction time nothing of the test period is known: neither its tracks, nor its counts, nor its times.\n"
        f"- Index: {index['kind']}, recall@100 {index['recall@100']:.4f} against exact search{latency}."
    ]


def _task(name: str, evaluation: Mapping[str, Any]) -> list[str]:
    task, ks = evaluation["tasks"][name], evaluation["settings"]["evaluation"]["ks"]
    share = f"{100 * evaluation['unreachable_positives'][name]:.1f} %"
    outside = (
        f"{share} of the positives are tracks that train does not know"
        if name == "reference_protocol"
        else f"{share} of what they play there lies outside the catalog and is not scored"
    )
    counts = f"{task['users']:,} users, {task['positives']:,} positives; {outside}."
    main = [f"hit_rate@{ks[0]}", MAIN_METRIC, f"recall@{ks[-1]}"]
    rest = [f"{metric}@{k}" for metric in ("hit_rate", "recall", "precision", "ndcg") for k in ks]
    return [
        f"## {TITLES[name]}",
        f"{MEANINGS[name]} {counts}",
        _table(task, main, intervals=True),
        f"<details><summary>every metric at K = {', '.join(map(str, ks))}</summary>",
        _table(task, rest, intervals=False),
        "</details>",
    ]


def _table(task: Mapping[str, Any], columns: list[str], *, intervals: bool) -> str:
    lines = ["| recommender | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
    for row in metric_rows(task, columns):
        name = row["recommender"]
        metrics: Metrics = task["recommenders"][name] or {}
        cells = [_cell(metrics.get(column), intervals=intervals) for column in columns]
        shown = f"**{name}**" if name.startswith("two_tower") else name
        lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(metric: Mapping[str, float | None] | None, *, intervals: bool) -> str:
    if metric is None or metric["value"] is None:
        return "–"
    value = f"{metric['value']:.4f}"
    if not intervals or metric["low"] is None:
        return value
    return f"{value} [{metric['low']:.4f}, {metric['high']:.4f}]"


def _limits(evaluation: Mapping[str, Any]) -> list[str]:
    unreachable = evaluation["unreachable_positives"]
    share = ", ".join(
        f"{100 * value:.0f} % in {name}" for name, value in unreachable.items() if name != "reference_protocol"
    )
    lines = [
        f"- Music that first appears in the test period cannot be recommended by anyone here ({share}).",
        "- A listen that was not made counts as a miss, although the user may have liked the track: these are lower bounds, "
        "fit for comparing recommenders and not for predicting what a shown list would earn.",
        "- One cut in time is one sample of the world: the intervals cover the choice of users, not that of the period.",
        "- One training run: another seed gives other towers.",
        "- Between two recommenders look at the paired differences in `evaluation.json`, not at overlapping intervals.",
    ]
    if evaluation["source"]["name"] == "sample":
        lines.insert(
            0,
            "- **The log is generated.** Its tastes were planted, so its numbers show that the pipeline works and say nothing about people.",
        )
    return ["\n".join(lines)]
