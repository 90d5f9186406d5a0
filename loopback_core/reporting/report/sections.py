"""The text of the report, section by section."""

from collections.abc import Container, Iterator, Sequence

from loopback_core.evaluation.beyond_accuracy import BEYOND_ACCURACY
from loopback_core.evaluation.evaluation_json import Evaluation, SettingsJson
from loopback_core.reporting.example_users import Example
from loopback_core.reporting.report.ablation_section import ablation_section
from loopback_core.reporting.report.example_section import listeners_section
from loopback_core.reporting.report.limits import limits
from loopback_core.reporting.report.presets_section import presets_section
from loopback_core.reporting.report.report_tables import table
from loopback_core.reporting.report.task_sections import folded, pictures_there, task_section
from loopback_core.reporting.report.tuning_section import tuning_section
from loopback_core.reporting.report.verdict import verdict
from loopback_core.reporting.safe_text import code, markdown
from loopback_core.tasks.metrics import MAIN_METRIC, METRICS

PICTURES = {
    "popularity.png": "Popularity of what is recommended in discovery against what is played; pale: the others",
    "training.png": "Training curves",
    "embedding.png": "The most played artists in the space of the towers: the mean of their tracks, by PCA. Near means "
    "alike to the towers",
}


def report_text(evaluation: Evaluation, examples: Sequence[Example], pictures: Container[str]) -> str:
    """All of `report.md`. pictures: the files that lie beside it; those that do not are not shown."""
    paragraphs = [
        "# Evaluation",
        *verdict(evaluation),
        *_setting(evaluation),
        *(line for name in evaluation["tasks"] for line in task_section(name, evaluation, pictures)),
        *presets_section(evaluation),
        *ablation_section(evaluation, pictures),
        *listeners_section(examples),
        *_model(pictures),
        *_evaluator(evaluation, pictures),
        *_formulas(evaluation),
        *limits(evaluation),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _setting(evaluation: Evaluation) -> Iterator[str]:
    source, split, settings = evaluation["source"], evaluation["split"], evaluation["settings"]
    index = evaluation["index"]
    latency = (
        "" if index["p50_ms"] is None else f", {index['p50_ms']:.2f} ms p50 and {index['p99_ms']:.2f} ms p99 a query"
    )
    yield "## What was measured on what"
    lines = [
        f"Log {code(source['name'])}: {source['events']:,} listens of {source['tracks']:,} tracks by "
        f"{source['artists']:,} artists, {source['users']:,} users.",
        f"Split `{split['strategy']}`: {split['train']:,} listens in train, {split['validation']:,} in validation, "
        f"{split['test']:,} in test.",
        f"Towers: preset {code(evaluation['preset'])}, seed {evaluation['seed']}, the epoch chosen on "
        f"validation by {settings['training']['validation_metric']}, {_weights(settings)}. Baselines: tuned on validation, then "
        "fitted on train + validation.",
        "At prediction time nothing of the test period is known: neither its tracks, nor its counts, nor its times.",
        f"Index: {index['kind']}, recall@100 {index['recall@100']:.4f} against exact search{latency}.",
        *(f"Not built: `{name}`, because {markdown(why)}" for name, why in evaluation.get("obstacles", {}).items()),
    ]
    yield "\n".join(f"- {line}" for line in lines)
    yield from tuning_section(evaluation)


def _model(pictures: Container[str]) -> Iterator[str]:
    if shown := pictures_there(PICTURES, pictures):
        yield "## The model in pictures"
        yield shown


def _evaluator(evaluation: Evaluation, pictures: Container[str]) -> Iterator[str]:
    calibration = evaluation.get("calibration")
    if calibration is None or not calibration["tasks"]:
        return
    smallest, threshold = calibration["smallest_p"], calibration["threshold"]
    agrees = "agrees" if smallest >= threshold else "**does not agree**"
    yield "## Is the evaluator itself right?"
    yield (
        f"A random recommender was run for real with up to {calibration['seeds']} seeds and measured like every other. It "
        f"{agrees} with the closed form that stands as `random` in the tables: the smallest p of the exact tests, "
        f"corrected for their number, is {smallest:.2g}; below {threshold:g} this evaluator would be called broken."
    )
    caption = "Hits of random lists, run for real, over those expected from the closed form"
    if shown := pictures_there({"calibration.png": caption}, pictures):
        yield shown
    columns = ["task", "count", "trials", "expected", "accepted", "observed", "p"]
    rows = [
        [
            task.replace("_", " "),
            metric,
            f"{count['trials']:,}",
            f"{count['expected']:,.1f}",
            f"{count['low']:,.0f} to {count['high']:,.0f}",
            f"{count['observed']:,}",
            f"{count['p']:.2g}",
        ]
        for task, metrics in calibration["tasks"].items()
        for metric, count in metrics.items()
    ]
    yield from folded("The counts", table(columns, rows, words=2))


def _formulas(evaluation: Evaluation) -> Iterator[str]:
    yield "## How to read the numbers"
    yield "\n".join(f"- `{formula}`" for formula in (*METRICS.values(), *BEYOND_ACCURACY.values()))
    yield (
        "Means over users; the range in brackets is a 95 % percentile bootstrap over users "
        f"({evaluation['settings']['evaluation']['resamples']:,} resamples, shared by all recommenders). Lists are never "
        "padded: a recommender that has nothing more to say misses. A dash means that it cannot answer the task at all, or "
        "that the metric has no meaning there. The *rival* of a task is the baseline with the best "
        f"{MAIN_METRIC} on validation, before test was looked at; *best* is the first on test. `two_tower` is what would "
        "be served, `two_tower_index` the same through the index, `two_tower:NAME` the towers of another preset."
    )


def _weights(settings: SettingsJson) -> str:
    return (
        "trained again as long on train + validation"
        if settings["training"].get("refit")
        else "weights from train alone"
    )
