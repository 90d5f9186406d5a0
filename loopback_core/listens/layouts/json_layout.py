"""What the layouts of JSON exports have in common."""

import json
import math
import re
from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, Any, ClassVar

import polars as pl

from loopback_core.listens.layouts.json_records import ARRAY, head_records, json_records
from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.layouts.raw_rows import RawFields, no_listen, raw_frames
from loopback_core.listens.lines import read_lines
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings

_LOOKED_AT = 20  # records
LONGEST_PLAY = timedelta(days=1)


class JsonLayout(Layout):
    """A document with an array of objects, one a play."""

    has_users = False
    opening: ClassVar[re.Pattern[str]] = ARRAY
    keys: ClassVar[frozenset[str]]
    """Keys that a record of this layout has, and none of another layout has all."""

    def recognises(self, head: Head) -> bool:
        """One of the first records has the keys."""
        return any(record.keys() >= self.keys for record in islice(head_records(head, self.opening), _LOOKED_AT))

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        records = json_records(stream, file.path, self.opening)
        yield from raw_frames(
            ((self.checked(value, text, file.source), self.shown(text)) for value, text in records),
            file.first_line,
            block_bytes,
        )

    def checked(self, value: object, text: str, source: SourceSettings) -> RawFields:
        """The fields of a value, or what is wrong with it. text: its raw text, "" where that is known to be UTF-8."""
        if not _decodable(text):
            return no_listen(Reason.UNDECODABLE_BYTES)
        if not isinstance(value, dict):
            return no_listen(Reason.UNREADABLE_RECORD)
        return self.fields(value, source)

    @staticmethod
    def shown(text: str) -> str:
        """Raw text with U+FFFD for each byte that is not UTF-8."""
        return text if _decodable(text) else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    @abstractmethod
    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """The fields of one record. Its values may be of any type: `text_of` and its like take what they can."""


class JsonLinesLayout(JsonLayout):
    """One object a line."""

    by_lines = True

    def recognises(self, head: Head) -> bool:
        """One of the first lines is an object with the keys."""
        objects = (_parsed(line) for line in head.lines[:_LOOKED_AT])
        return any(isinstance(value, dict) and value.keys() >= self.keys for value in objects)

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`. A line that is no JSON is one unreadable record."""
        for lines in read_lines(stream, file.path, block_bytes, file.first_line):
            records = (
                (
                    no_listen(Reason.UNDECODABLE_BYTES)
                    if undecodable
                    else self.checked(_parsed(text), "", file.source),
                    text,
                )
                for text, undecodable in lines.select("text", "undecodable").iter_rows()
            )
            yield from raw_frames(records, lines["line"][0], block_bytes)


def text_of(value: object) -> str | None:
    """A name or an id as text: numbers too; None for all else. Halves of characters become "?"."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_as_text(value)
    return None


def number_as_text(value: int | float) -> str:
    """Without an exponent or a needless fraction: 1609462137.0 is "1609462137"."""
    if isinstance(value, float) and (not math.isfinite(value) or abs(value) >= 2**63 or value != int(value)):
        return str(value)
    return str(int(value)) if abs(value) < 2**63 else "inf"


def object_of(value: object) -> dict[str, Any]:
    """An object, or an empty one where the value is none."""
    return value if isinstance(value, dict) else {}


def seconds_played(milliseconds: object) -> float | None:
    """A duration of play in seconds; None where there is none."""
    if isinstance(milliseconds, str):
        try:
            milliseconds = float(milliseconds)
        except ValueError:
            return None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return float(milliseconds) / 1000 if abs(milliseconds) < 2**63 else None


def is_short(seconds: float | None, source: SourceSettings) -> bool:
    """Whether a play was too short for a listen. An unknown duration is not."""
    return seconds is not None and seconds < source.least_seconds_played


def start_of(end: object, seconds: float | None) -> str | None:
    """When a play began that ended at `end` (ISO 8601, without a zone: UTC), in ISO 8601; `end` itself if it is unreadable."""
    ended = text_of(end)
    if ended is None or seconds is None or not 0 <= seconds <= LONGEST_PLAY.total_seconds():
        return ended
    try:
        moment = datetime.fromisoformat(ended)
        began = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - timedelta(seconds=int(seconds))
        return began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return ended


def _parsed(line: str) -> object:
    try:
        return json.loads(line, strict=False)
    except (ValueError, RecursionError):
        return None


def _decodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
