"""The report of an evaluation: `report.md`, and the same as `report.html`."""

from collections.abc import Sequence
from pathlib import Path

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.reporting.example_users import Example
from loopback_core.reporting.report.html import html_page
from loopback_core.reporting.report.report_tables import metric_rows
from loopback_core.reporting.report.sections import report_text

__all__ = ["metric_rows", "write_report"]


def write_report(evaluation: Evaluation, examples: Sequence[Example], folder: Path) -> None:
    """Write `report.md` and the same as one page, `report.html`, into a folder that holds the pictures already.

    examples: the only names of users, artists and tracks in the report.
    """
    text = report_text(evaluation, examples, {path.name for path in folder.glob("*.png")})
    (folder / "report.md").write_text(text, "utf-8")
    (folder / "report.html").write_text(html_page(text, folder), "utf-8")
