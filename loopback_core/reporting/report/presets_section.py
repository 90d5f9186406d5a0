"""The towers of other presets against those that are evaluated."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.recommenders.lists import OTHER_PRESET
from loopback_core.reporting.report.report_tables import cell, difference_cell, markdown_table, p_cell, won_lost_tied
from loopback_core.reporting.safe_text import code, markdown
from loopback_core.tasks.metrics import MAIN_METRIC


def presets_section(evaluation: Evaluation) -> Iterator[str]:
    """Paragraphs of the section; nothing when no other preset was trained on the same splits."""
    if not (presets := evaluation.get("presets")):
        return
    yield "## Presets"
    named = ", ".join(f"{code(name)} (seed {preset['seed']})" for name, preset in presets.items())
    yield (
        f"Trained on the same splits as {code(evaluation['preset'])}: {named}. Each is served with the weights of its own "
        f"training; every candidate is scored exactly. The difference is that of {MAIN_METRIC}, `ranked` minus the "
        "preset, on the same users; its p is corrected for the number of presets."
    )
    rows = []
    for task, measured in evaluation["tasks"].items():
        for name, means in measured["recommenders"].items():
            if name.startswith(OTHER_PRESET):
                comparison = evaluation["paired"].get(task, {}).get(name, {}).get(MAIN_METRIC)
                value = cell((means or {}).get(MAIN_METRIC), intervals=True)
                compared = [difference_cell(comparison), p_cell(comparison), won_lost_tied(comparison)]
                rows.append([task.replace("_", " "), markdown(name), value, *compared])
    columns = ["task", "preset", MAIN_METRIC, "difference", "p (Holm)", "won / lost / tied"]
    yield markdown_table(columns, rows, words=2)
