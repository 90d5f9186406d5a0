"""`loopback inspect`."""

import json
from pathlib import Path
from typing import Any

import click

from loopback_core.errors import BadLogError
from loopback_core.listens.inspection import LISTEN, Inspection, inspect_log
from loopback_core.listens.log_rules import BLAMELESS
from loopback_core.listens.remote.remote_address import remote_address
from loopback_core.settings import load_settings

SHOWN_WIDTH = 40
SHOWN_FILES = 10


def show_log(name: str) -> None:
    """Print what the log at a path seems to be, under the settings of LOOPBACK_CONFIG where there are any.

    Raises:
        BadLogError: it cannot be read as a log.
        SettingsError: the settings cannot be used.
    """
    if address := remote_address(name):
        raise BadLogError(
            f"{address.shown} is no file or folder of files, which is all that is inspected: set it as LOOPBACK_SOURCE "
            "(source.name) and materialize raw_listens, which says what is missing."
        )
    found = inspect_log(Path(name), load_settings({"source": {"name": name}}).source)
    for label, text in _facts(found):
        click.echo(f"{label:11} {text}")
    click.echo()
    _table(found)
    click.echo()
    click.echo("\n".join(_settings(found)))


def _facts(found: Inspection) -> list[tuple[str, str]]:
    files, mapping = found.log.files, found.proposal.mapping
    facts = [("log", str(found.proposal.applied.name) + (f": {len(files):,} files" if len(files) > 1 else ""))]
    facts += [("container", found.survey.container), ("layout", found.survey.layout_name)]
    if found.proposal.columns:
        facts.append(("columns", ", ".join(found.proposal.columns)))
    if mapping:
        facts.append(("mapping", ", ".join(f"{ours} = {theirs}" for ours, theirs in mapping.items())))
    if found.log.users:
        users = sorted(set(found.log.users.values()))
        facts.append(
            (
                "users",
                ", ".join(users[:SHOWN_FILES]) + ", ..." * (len(users) > SHOWN_FILES) + " (where the rows do not say)",
            )
        )
    facts += [("left out", f"{name}: {why}") for name, why in list(found.log.left_out.items())[:SHOWN_FILES]]
    facts.append(("looked at", f"{found.rows:,} rows: " + ("all of it" if found.whole else "the beginning")))
    facts.append(
        ("listens", f"{found.listens:,} of {len(found.users):,} {'user' if len(found.users) == 1 else 'users'}")
    )
    for reason, rows in found.rejected.most_common():
        facts.append(("left out" if reason in BLAMELESS else "rejected", f"{rows:,} {reason}"))
    facts += [("advice", sentence) for sentence in found.advice]
    if found.whole and len(found.users) == 1:
        facts.append(
            ("use", "the history of one user: ask with it (loopback recommend --history); training needs at least two")
        )
    return facts


def _table(found: Inspection) -> None:
    rows = [LISTEN, *([_cell(listen[name]) for name in LISTEN] for listen in found.first)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(LISTEN))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else f"{value:%Y-%m-%d %H:%M:%S}"
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= SHOWN_WIDTH else text[: SHOWN_WIDTH - 3] + "..."


def _settings(found: Inspection) -> list[str]:
    """The lines for a settings file."""
    lines = ["# loopback.toml", "[source]", f"name = {_toml(found.proposal.applied.name)}"]
    lines += [f"{key} = {_toml(value)}" for key, value in found.proposal.settings.items()]
    if found.proposal.day_first:
        lines[-1] += f"  # or {_toml(found.proposal.day_first)} where the day comes first"
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inside)}" for key, inside in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
