"""The settings with which a table under other column names, or with times in another form, seems to be a log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from loopback_core.listens.containers import damage_named, streams
from loopback_core.listens.layouts import DELIMITED_TEXT
from loopback_core.listens.layouts.delimited_text import DelimitedText
from loopback_core.listens.layouts.layout import Head, LayoutFile
from loopback_core.listens.layouts.yambda import is_yambda
from loopback_core.listens.log_columns import find_columns, match_columns, suggested
from loopback_core.listens.log_file import open_log
from loopback_core.listens.parquet_log import first_times
from loopback_core.listens.reading import read_rows
from loopback_core.listens.survey import Survey, head_of
from loopback_core.listens.time_forms import EPOCHS, day_first, form_of, parse_times
from loopback_core.settings import SourceSettings

_LOOKED_AT = 500  # times
FEW_BYTES = 1 << 16


@dataclass(frozen=True)
class Proposal:
    """columns: those of a table. mapping: our column -> the table's. settings: keys of [source] that are not given yet.

    day_first: the time_format that fits the times just as well as the proposed one, where these have the month first.
    """

    applied: SourceSettings
    columns: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    day_first: str | None = None


def proposal_for(path: Path, surveyed: Survey, source: SourceSettings) -> Proposal:
    """What the file of a log asks for. Layouts with names of their own ask for nothing.

    Raises:
        BadLogError: a column is needed that nothing in the table seems to be.
    """
    layout = surveyed.layout
    if layout is None:
        schema = pq.read_schema(path)
        if is_yambda(schema) and not source.columns:
            return Proposal(source, tuple(schema.names))
        columns = tuple(schema.names)
    elif isinstance(layout, DelimitedText):
        dialect = layout.dialect(_head_of(path, surveyed, source))
        columns = dialect.header
        if layout is not DELIMITED_TEXT:
            return Proposal(source, columns, layout.columns(LayoutFile(path, source), dialect))
    else:
        return Proposal(source)
    settings = _settings_for(columns, source)
    applied = source.model_copy(update=settings)
    if match_columns(columns, applied)[1]:
        find_columns(path, columns, source)  # its sentence names all that is missing, users too
    mapping = find_columns(path, columns, applied)
    times = _some_times(path, surveyed, mapping["timestamp"], applied)
    form, other = form_of(times), None
    if form not in (None, source.time_format) and not _reads_all(source, times):
        settings["time_format"], other = form, day_first(form, times)
    return Proposal(source.model_copy(update=settings), columns, mapping, settings, other)


def _reads_all(source: SourceSettings, times: list[str]) -> bool:
    """Whether the pattern that is set reads all times. As seconds any number could be read."""
    if source.time_format in EPOCHS:
        return False
    return not parse_times(pl.Series(times, dtype=pl.String), source.time_format).null_count()


def _settings_for(columns: tuple[str, ...], source: SourceSettings) -> dict[str, Any]:
    matched, missing = match_columns(columns, source)
    needed = [ours for ours, _ in missing]
    likely = suggested(columns, needed, list(matched.values()))
    settings: dict[str, Any] = {"columns": dict(source.columns) | likely} if likely else {}
    if "user_id" in needed and "user_id" not in likely:
        settings["user"] = "file"
    return settings


def _head_of(path: Path, surveyed: Survey, source: SourceSettings) -> Head:
    with open_log(path) as file, damage_named(path):
        members = enumerate(streams(path, file, surveyed.container))
        member = next(member for number, member in members if number in surveyed.chosen)
        return Head(Path(member.name).name, head_of(member.content), source)


def _some_times(path: Path, surveyed: Survey, column: str, source: SourceSettings) -> list[str]:
    if surveyed.layout is None:
        return first_times(path, column, _LOOKED_AT)
    rows = next(read_rows(path, source, lambda _: None, FEW_BYTES), None)
    times = pl.Series([], dtype=pl.String) if rows is None else rows["timestamp"]
    return [text for text in islice(times.drop_nulls(), _LOOKED_AT) if text.strip()]
