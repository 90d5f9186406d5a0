"""What a layout of a log is: it recognises a stream of bytes by its beginning, and turns it into raw rows."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, ClassVar

import polars as pl

from loopback_core.listens.log_rules import BYTE_ORDER_MARK
from loopback_core.settings import SourceSettings

HEAD_BYTES = 1 << 16
"""How much of a stream is looked at to recognise it."""


@dataclass(frozen=True)
class Head:
    """What is looked at to recognise a stream.

    name: that of the file or of the member of an archive, without folders. content: its first HEAD_BYTES, unpacked; text
    in UTF-16 with its mark comes as UTF-8. source: what the user said of the log.
    """

    name: str
    content: bytes
    source: SourceSettings = field(default_factory=SourceSettings)

    @cached_property
    def text(self) -> str:
        """The content as text without a byte order mark; U+FFFD stands for bytes that are not UTF-8."""
        return self.content.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace")

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; a last one that is cut off is left out."""
        lines = [line.removesuffix("\r") for line in self.text.split("\n")]
        if len(self.content) >= HEAD_BYTES and len(lines) > 1:
            lines.pop()
        return lines[:-1] if lines[-1] == "" else lines


@dataclass(frozen=True)
class LayoutFile:
    """What a layout is told besides the stream.

    path: the file, for sentences. source: what the user said of the log. first_line: the number of the first line or
    record; the members of an archive count as one text. name: that of the file or of the member, without folders.
    """

    path: Path
    source: SourceSettings
    first_line: int = 1
    name: str = ""


class Layout(ABC):
    """A layout of a log. The classes are stateless; `LAYOUTS` holds one of each."""

    name: ClassVar[str]
    """As it stands in sentences and manifests, such as "Spotify extended streaming history"."""

    time_format: ClassVar[str | None] = None
    """How its rows give times, as a value of `source.time_format`; None: as the settings say."""

    has_users: ClassVar[bool] = True
    """False where the files never say who listened: `user_id` is null and comes from `source.user`, or the file's name."""

    several_files: ClassVar[bool] = False
    """Whether the history of one person comes as several files: then their folder, not each file, names the user."""

    own_names: ClassVar[re.Pattern[str]] = re.compile("")
    """How the names begin that the service gives to these several files: they name nobody. Other names are those of users."""

    by_lines: ClassVar[bool] = False
    """Whether a record is a line, or several lines that its `text` holds: then the reader compares the rows with the lines.

    One blank line at the end is no row, nor are the lines before the first row, which :meth:`header_lines` counts.
    """

    @abstractmethod
    def recognises(self, head: Head) -> bool:
        """Whether the stream has this layout: by its content; the name only tells apart what content cannot."""

    def names_users(self, head: Head) -> bool:
        """Whether the stream says who listened."""
        return self.has_users

    def header_lines(self, head: Head) -> int:
        """How many lines come before the first row, where `by_lines`."""
        return 0

    @abstractmethod
    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """Every record of the stream as a row of frames with RAW_SCHEMA, each frame of about `block_bytes`.

        The stream begins at its first byte, can only be read forwards, and has no byte order mark. `line` counts lines or
        records from `file.first_line`, `text` is the raw record. `problem` is a Reason where the record can be no listen.
        Nothing is left out: records that are by their nature no listens get a Reason that is in BLAMELESS.

        Raises:
            BadLogError: the stream cannot be read on, or lacks what the layout needs.
        """
