"""The cascade: what candidates there are, and what orders them."""

from collections.abc import Iterator

from loopback_core.evaluation.candidates_json import GeneratorJson
from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.feature_costs_json import FeatureCostsJson
from loopback_core.ranking.corrector_facts import CorrectorFacts, RefiningFacts
from loopback_core.recommenders.lists import SERVED, TOWERS
from loopback_core.reporting.report.report_tables import markdown_table
from loopback_core.reporting.report.task_sections import folded
from loopback_core.reporting.safe_text import markdown
from loopback_core.tasks.metrics import DEEP_CUTOFFS, MAIN_METRIC

MOST_FEATURES = 20


def ranking_section(evaluation: Evaluation) -> Iterator[str]:
    """Paragraphs of the section; nothing where the towers are served without further terms."""
    candidates, correctors = evaluation.get("candidates"), evaluation.get("correctors")
    refining = evaluation.get("refining", {})
    if not candidates:
        return
    yield "## Retrieve and rank: the candidates, and their order"
    yield (
        "A ranker cannot find what is not among the candidates. *recall* is the share of a user's positives among the best "
        "of a generator, *adds* the share that no other generator finds; *together* is the linear score over all of them, "
        "and what it adds is all that they find."
    )
    for task, measured in candidates.items():
        rows = {**measured["generators"], "**together**": measured["union"]}
        yield f"### {task.replace('_', ' ').capitalize()}"
        yield _generators(rows)
        if correctors and task in correctors:
            if task not in refining or correctors[task]["steps"]:
                yield _corrector(correctors[task], is_last=task not in refining)
            if task in refining:
                yield _refining(refining[task])
            if gains := correctors[task]["gains"]:
                first = sorted(gains, key=lambda name: -gains[name])[:MOST_FEATURES]
                shares = [[markdown(name), f"{gains[name]:.3f}"] for name in first]
                yield from folded("What the trees split by", markdown_table(["feature", "share of gain"], shares, 1))
            if losses := correctors[task]["losses"]:
                order = sorted(losses, key=lambda name: -losses[name])
                lost = [[name, f"{losses[name]:+.4f}"] for name in order]
                columns = ["features", f"{MAIN_METRIC} lost"]
                yield from folded("What is lost where features are shuffled", markdown_table(columns, lost, 1))
            if without := correctors[task].get("without"):
                rows_of_groups = [[name, f"{of['loss']:+.4f}", f"{of['error']:.4f}"] for name, of in without.items()]
                columns = ["without", f"{MAIN_METRIC} lost", "standard error"]
                title = "What the linear score loses when it is fitted without a group of features"
                yield from folded(title, markdown_table(columns, rows_of_groups, 1))
        if costs := evaluation.get("feature_costs", {}).get(task):
            yield from folded("What features cost in a request", _costs(costs))


def _generators(rows: dict[str, GeneratorJson]) -> str:
    cells = [
        [name, f"{of['tracks']:,.0f}", *(f"{of['recall'][str(k)]:.4f}" for k in DEEP_CUTOFFS), f"{of['adds']:.4f}"]
        for name, of in rows.items()
    ]
    columns = ["generator", "tracks of a user", *(f"recall@{k}" for k in DEEP_CUTOFFS), "adds"]
    return markdown_table(columns, cells, words=1)


def _costs(measured: FeatureCostsJson) -> str:
    """The slowest group first."""
    groups = measured["groups"]
    order = sorted(groups, key=lambda name: -groups[name]["p99_ms"])
    rows = [[name, f"{groups[name]['p50_ms']:.2f}", f"{groups[name]['p99_ms']:.2f}"] for name in order]
    what = (
        f"Milliseconds of reading one history on one core, over {measured['requests']:,} requests. What terms share is "
        "counted for each of them; the terms of the catalog read no history: their sum is known of every track."
    )
    return f"{what}\n\n{markdown_table(['features', 'median', '99th percentile'], rows, 1)}"


STEPS_OF_KIND = {"lightgbm": "trees", "cross_encoder": "passes of a cross-encoder"}

LINEAR_ORDER = f"`{SERVED}` is in the order of the linear score"


def _corrector(facts: CorrectorFacts, *, is_last: bool) -> str:
    """is_last: whether nothing else is said of the order that is served."""
    if not facts["steps"]:
        return f"{LINEAR_ORDER}: validation has too few users to fit more on."
    steps = STEPS_OF_KIND[facts["kind"]]
    if facts["used"]:
        return (
            f"`{SERVED}` is `{TOWERS}`, corrected: {facts['steps']} {steps} change {_change(facts, facts['linear'])}."
        )
    change = _change(facts, facts["linear"])
    what = f"{facts['steps']} {steps} change {change}; they are taken only where that is surely above zero."
    return f"{LINEAR_ORDER}, since {what}" if is_last else what


def _refining(facts: RefiningFacts) -> str:
    if not facts["strength"]:
        return f"{LINEAR_ORDER}: validation has too few users to fit other weights on."
    change = f"weights that are fitted to lists of ten change {_change(facts, facts['before'])}"
    if facts["used"]:
        return f"`{SERVED}` is `{TOWERS}` with its best {facts['places']} candidates in another order: {change}. Weights are taken where that is above zero, since there are no more of them than before."
    return f"{LINEAR_ORDER}, since no other weights are better: {change}."


def _change(facts: CorrectorFacts | RefiningFacts, before: float) -> str:
    return (
        f"{MAIN_METRIC} by {facts['difference']:+.4f} (standard error {facts['error']:.4f}) from {before:.4f}, over "
        f"{facts['requests']:,} requests of {facts['users']:,} users of validation, each ranked by what was fitted on other users"
    )
