"""What rejected rows suggest: the setting or the step that would make them usable, each in one sentence."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.containers import ARCHIVES, container_of, damage_named, streams
from loopback_core.listens.layouts.layout import HEAD_BYTES
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_rules import Reason
from loopback_core.listens.text_stream import CountedStream
from loopback_core.listens.time_forms import form_of
from loopback_core.settings import SourceSettings

TIMES_LOOKED_AT = 20
"""Times of each reason that are looked at."""

C1_CONTROLS = range(0x80, 0xA0)
"""Letters and signs in Windows-1252, controls that no text holds in Latin-1."""


def advice_on_times(times: Mapping[str, Sequence[str | None]], source: SourceSettings) -> list[str]:
    """What to set so that rejected times can be read. times: some of them, by the reason for which they were rejected."""
    unreadable = [text for text in times.get(Reason.UNREADABLE_TIMESTAMP.value, ()) if text and text.strip()]
    implausible = [text for text in times.get(Reason.IMPLAUSIBLE_DATE.value, ()) if text]
    for texts in (unreadable, implausible):
        form = form_of(texts)
        if form is not None and form != source.time_format:
            return [f'The times look like {texts[0].strip()!r}: set [source] time_format = "{form}".']
    return []


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
