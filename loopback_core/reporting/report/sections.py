"""The text of the report, section by section."""

from collections.abc import Container, Iterator, Sequence

from loopback_core.evaluation.beyond_accuracy import BEYOND_ACCURACY
from loopback_core.evaluation.evaluation_json import Evaluation, SettingsJson
from loopback_core.reporting.example_users import Example
from loopback_core.reporting.report.ablation_section import ablation_section
from loopback_core.reporting.report.example_section import listeners_section
from loopback_core.reporting.report.leave_last_section import leave_last_section
from loopback_core.reporting.report.limits import limits
from loopback_core.reporting.report.moments_section import moments_section, no_moments
from loopback_core.reporting.report.presets_section import presets_section
from loopback_core.reporting.report.ranking_section import ranking_section
from loopback_core.reporting.report.report_tables import markdown_table
from loopback_core.reporting.report.reranking_section import reranking_section
from loopback_core.reporting.report.search_section import search_section
from loopback_core.reporting.report.stages_section import stages_section
from loopback_core.reporting.report.task_sections import folded, pictures_there, task_section
from loopback_core.reporting.report.tuning_section import tuning_section
from loopback_core.reporting.report.verdict import verdict
from loopback_core.reporting.safe_text import code, markdown
from loopback_core.tasks.metrics import MAIN_METRIC, METRICS

PICTURES = {
    "popularity.png": "Popularity of the tracks recommended in discovery and of the tracks played; grey: other recommenders",
    "training.png": "Training curves",
    "embedding.png": "The most played artists in the space of the towers: the mean vector of their tracks, by PCA. Artists "
    "that are near each other are similar to the towers",
}


def report_text(evaluation: Evaluation, examples: Sequence[Example], pictures: Container[str]) -> str:
    """All of `report.md`. pictures: names of the files next to it; only these are shown."""
    paragraphs = [
        "# Evaluation",
        *verdict(evaluation),
        *stages_section(evaluation),
        *_setting(evaluation),
        *(line for name in evaluation["tasks"] for line in task_section(name, evaluation, pictures)),
        *moments_section(evaluation, pictures),
        *ranking_section(evaluation),
        *reranking_section(evaluation, pictures),
        *leave_last_section(evaluation),
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
        "" if index["p50_ms"] is None else f", {index['p50_ms']:.2f} ms p50 and {index['p99_ms']:.2f} ms p99 per query"
    )
    yield "## Data, split and models"
    lines = [
        f"Log {code(source['name'])}: {source['events']:,} listens of {source['tracks']:,} tracks by "
        f"{source['artists']:,} artists, {source['users']:,} users.",
        f"Split `{split['strategy']}`: {split['train']:,} listens in train, {split['validation']:,} in validation, "
        f"{split['test']:,} in test.",
        f"Towers: preset {code(evaluation['preset'])}, seed {evaluation['seed']}, the epoch chosen on "
        f"validation by {settings['training']['validation_metric']}, {_weights(settings)}. Baselines: tuned on validation, then "
        "fitted on train + validation.",
        "At prediction time nothing of the test period is known: no tracks, no counts, no times.",
        f"Index: {index['kind']}, recall@100 {index['recall@100']:.4f} against exact search{latency}.",
        *filter(None, [no_moments(evaluation)]),
        *(f"Not built: `{name}`, because {markdown(why)}" for name, why in evaluation.get("obstacles", {}).items()),
    ]
    yield "\n".join(f"- {line}" for line in lines)
    yield from search_section(evaluation)
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
    yield "## Check of the evaluator"
    yield (
        f"A random recommender was run with up to {calibration['seeds']} seeds and measured like every other. It {agrees} "
        "with the closed form that is listed as `random` in the tables: the smallest p of the exact tests, corrected for "
        f"their number, is {smallest:.2g}; below {threshold:g} the evaluator is wrong."
    )
    caption = "Hits of random lists, divided by the number that the closed form expects"
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
    yield from folded("The counts", markdown_table(columns, rows, words=2))


def _formulas(evaluation: Evaluation) -> Iterator[str]:
    yield "## How to read the numbers"
    yield "\n".join(f"- `{formula}`" for formula in (*METRICS.values(), *BEYOND_ACCURACY.values()))
    yield (
        "Values are means over users; in brackets their 95 % percentile bootstrap interval over users "
        f"({evaluation['settings']['evaluation']['resamples']:,} resamples, the same for all recommenders). Lists are not "
        "padded: what is missing in a short list counts as a miss. A dash: the recommender cannot answer the task, or the "
        f"metric is not defined there. The *rival* of a task is the baseline with the best {MAIN_METRIC} on validation, "
        "chosen before test was read; *best* is the best on test. `ranked` is what is served: `two_tower_index` with its best candidates put in "
        "order by a corrector, where that pays; `reranked` the same in the order for diversity. `two_tower` is the linear score over all tracks, "
        "`two_tower_index` the same through the index, `two_tower_alone` the dot product without further terms, `two_tower:NAME` the towers of another preset."
    )


def _weights(settings: SettingsJson) -> str:
    return (
        "trained again as long on train + validation"
        if settings["training"].get("refit")
        else "weights from train alone"
    )
