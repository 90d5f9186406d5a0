"""How the baselines were tuned."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.recommenders.tuned_json import TunedJson
from loopback_core.reporting.report.report_tables import markdown_table
from loopback_core.reporting.report.task_sections import folded
from loopback_core.reporting.safe_text import markdown
from loopback_core.tasks.metrics import MAIN_METRIC


def tuning_section(evaluation: Evaluation) -> Iterator[str]:
    """A folded table; nothing when no baseline was tuned."""
    rows = [
        [
            task.replace("_", " "),
            baseline,
            markdown(settings_text(tuned)) or "none to choose",
            f"{score:.4f}",
            str(len(tuned["trials"])),
        ]
        for task, baseline, tuned in tuned_baselines(evaluation)
        if (score := tuned["ndcg@10"]) is not None
    ]
    if rows:
        columns = ["task", "baseline", "settings chosen", f"{MAIN_METRIC} on validation", "settings tried"]
        yield from folded("How the baselines were tuned", markdown_table(columns, rows, words=3))


def tuned_baselines(evaluation: Evaluation) -> Iterator[tuple[str, str, TunedJson]]:
    """(task, baseline, what its search gave), the best on validation of each task first."""
    for task, baselines in evaluation.get("tuning", {}).items():
        for name, tuned in sorted(baselines.items(), key=lambda item: -(item[1]["ndcg@10"] or -1)):
            yield task, name, tuned


def settings_text(tuned: TunedJson) -> str:
    """The chosen settings in one line."""
    return ", ".join(f"{key} {value}" for key, value in tuned["settings"].items())
