"""What rejected rows suggest: the setting or the step that would make them usable, each in one sentence."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.containers import ARCHIVES, container_of, damage_named, streams
from loopback_core.listens.layouts.layout import HEAD_BYTES
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_rules import Reason
from loopback_core.listens.text_stream import CountedStream
from loopback_core.listens.time_forms import day_first, form_of, month_first, parse_times
from loopback_core.settings import SourceSettings, in_utc

SHOWN_OF_TIME = 40
TIMES_LOOKED_AT = 20
"""Times of each reason that are looked at."""

C1_CONTROLS = range(0x80, 0xA0)
"""Letters and signs in Windows-1252, controls that no text holds in Latin-1."""


class Hints:
    """Gathers what the rejected rows of a file suggest."""

    def __init__(self, path: Path, source: SourceSettings, *, form_is_fixed: bool = False) -> None:
        """form_is_fixed: the layout says how times are written, whatever the settings say."""
        self._path, self._source, self._form_is_fixed = path, source, form_is_fixed
        self._times: dict[str, list[str | None]] = {}
        self._undecodable = self._kept = self._times_rejected = self.short = 0

    def see(self, times: pl.Series, reasons: pl.Series) -> None:
        """Rows with the text of their times, and why they were rejected (null: they were not)."""
        self._kept += reasons.null_count()
        if reasons.null_count() == len(reasons):
            return
        self.short += int((reasons == Reason.SHORT_PLAY.value).sum())
        self._undecodable += int((reasons == Reason.UNDECODABLE_BYTES.value).sum())
        for reason in (Reason.UNREADABLE_TIMESTAMP.value, Reason.IMPLAUSIBLE_DATE.value):
            of_reason = (reasons == reason).fill_null(False)
            self._times_rejected += int(of_reason.sum())
            seen = self._times.setdefault(reason, [])
            if len(seen) < TIMES_LOOKED_AT:
                seen += times.filter(of_reason).head(TIMES_LOOKED_AT - len(seen)).to_list()

    def sentences(self) -> list[str]:
        """What to do, one sentence for each cause."""
        most_are_read, none_is_read = self._kept > self._times_rejected, self._kept == 0
        on_times = (
            [] if self._form_is_fixed else advice_on_times(self._times, self._source, most_are_read, none_is_read)
        )
        if not on_times and not most_are_read:
            on_times = advice_on_earliest(self._times.get(Reason.IMPLAUSIBLE_DATE.value, ()), self._source)
        return [*on_times, *advice_on_bytes(self._path, self._undecodable)]


def advice_on_times(
    times: Mapping[str, Sequence[str | None]], source: SourceSettings, most_are_read: bool, none_is_read: bool
) -> list[str]:
    """What to set so that rejected times can be read. times: some of them, by the reason for which they were rejected."""
    unreadable = [text for text in times.get(Reason.UNREADABLE_TIMESTAMP.value, ()) if text and text.strip()]
    implausible = [text for text in times.get(Reason.IMPLAUSIBLE_DATE.value, ()) if text]
    for texts in (unreadable, implausible):
        form = form_of(texts)
        if form is None or form == source.time_format:
            continue
        shown = next((text for text in texts if form_of([text]) == form), texts[0]).strip()
        if most_are_read and source.time_format not in (form, month_first(form)):
            return [
                f"Some times look like {shown!r}, but most are read by [source] time_format = {source.time_format!r}: write all "
                "in one form."
            ]
        other = day_first(form, texts)
        either = f', or "{other}" where the day comes first' if other else ""
        return [f'The times look like {shown!r}: set [source] time_format = "{form}"{either}.']
    return _of_no_known_form(unreadable) if none_is_read and unreadable else []


def advice_on_earliest(implausible: Sequence[str | None], source: SourceSettings) -> list[str]:
    """What to set where most of these times were read, and lie before `source.earliest`."""
    times = parse_times(pl.Series(implausible, dtype=pl.String), source.time_format, source.time_zone)
    early = times.filter(times < in_utc(source.earliest)).dt.to_string("%Y-%m-%d")
    if 2 * len(early) <= len(times):
        return []
    return [
        f"The times are read as {early[0]}, before [source] earliest = {source.earliest:%Y-%m-%d}: set it to an earlier "
        "day if that is right."
    ]


def _of_no_known_form(texts: Sequence[str]) -> list[str]:
    shown = texts[0].strip()[:SHOWN_OF_TIME]
    if form_of(texts) is not None:  # they are of the form that is set: there is no such day or hour
        return []
    if shown.replace(".", "", 1).isdecimal():
        return [
            f"The times look like {shown!r}, which counts neither seconds nor milliseconds since 1970: convert them."
        ]
    return [
        f"The times look like {shown!r}: set [source] time_format to the pattern of their day and clock, such as "
        '"%d %b %Y %H:%M", or map another column to timestamp.'
    ]


def advice_on_bytes(path: Path, rejected: int) -> list[str]:
    """In which encoding a file with lines that are not UTF-8 seems to be, and how to convert it."""
    if not rejected or (encoding := _encoding_of(path)) is None:
        return []
    name = {"WINDOWS-1252": "Windows-1252", "ISO-8859-1": "Latin-1"}[encoding]
    return [
        f"{path.name} seems to be in {name}, not UTF-8: save it as UTF-8, or convert it with 'iconv -f {encoding} -t UTF-8'."
    ]


def _encoding_of(path: Path) -> str | None:
    """Windows-1252 or Latin-1, by the first bytes that are not UTF-8; None: it is UTF-8 for the most part."""
    try:
        with open_log(path) as file, damage_named(path):
            container = container_of(path, file.peek())
            if container in (*ARCHIVES, "parquet"):
                return None
            content = next(streams(path, file, container)).content
            beginning = CountedStream(content, HEAD_BYTES * 16).head
    except BadLogError:
        return None
    beyond_ascii = [line for line in beginning.split(b"\n") if not line.isascii()]
    wrong = [line for line in beyond_ascii[:-1] or beyond_ascii if not _is_utf8(line)]
    if 2 * len(wrong) <= len(beyond_ascii):  # most is UTF-8: some lines are damaged
        return None
    return "WINDOWS-1252" if any(byte in C1_CONTROLS for line in wrong for byte in line) else "ISO-8859-1"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
