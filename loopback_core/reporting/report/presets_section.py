"""The towers of other presets beside those that are evaluated."""

from collections.abc import Iterator, Mapping
from typing import Any

from loopback_core.recommenders.lists import OTHER_PRESET
from loopback_core.reporting.report.report_tables import DASH, cell, table
from loopback_core.reporting.safe_text import code, markdown
from loopback_core.tasks.metrics import MAIN_METRIC


def presets_section(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Paragraphs of the section; none when no other preset was trained on the same splits."""
    if not (presets := evaluation.get("presets")):
        return
    yield "## Presets"
    named = ", ".join(f"{code(name)} (seed {preset['seed']})" for name, preset in presets.items())
    yield (
        f"Trained on the same splits as {code(evaluation['preset'])}: {named}, each served with the scoring of its own "
        f"training, every candidate scored exactly. The difference is that of {MAIN_METRIC}, `two_tower` minus the preset, "
        "on the same users; its p is corrected for the number of presets."
    )
    rows = []
    for task, measured in evaluation["tasks"].items():
        for name in (name for name in measured["recommenders"] if name.startswith(OTHER_PRESET)):
            mean = (measured["recommenders"][name] or {}).get(MAIN_METRIC)
            paired = (evaluation["paired"].get(task, {}).get(name) or {}).get(MAIN_METRIC, {})
            difference, p = _difference(paired), paired.get("p_holm")
            won = " / ".join(f"{paired[key]:,}" for key in ("won", "lost", "tied")) if paired else DASH
            cells = [cell(mean, intervals=True), difference, DASH if p is None else f"{p:.3f}", won]
            rows.append([task.replace("_", " "), markdown(name), *cells])
    columns = ["task", "preset", MAIN_METRIC, "difference", "p (Holm)", "won / lost / tied"]
    yield table(columns, rows, words=2)


def _difference(paired: Mapping[str, Any]) -> str:
    if not paired:
        return DASH
    interval = "" if paired["low"] is None else f" [{paired['low']:+.4f}, {paired['high']:+.4f}]"
    return f"{paired['difference']:+.4f}{interval}"
