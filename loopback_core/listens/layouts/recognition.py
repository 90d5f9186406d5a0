"""Which layout a stream has, and what to say when it has none that is known."""

from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts import DELIMITED_TEXT, LASTFM_LINES, LAYOUTS
from loopback_core.listens.layouts.dialect import dialect_of
from loopback_core.listens.layouts.lastfm_lines import has_header
from loopback_core.listens.layouts.layout import Head, Layout
from loopback_core.listens.log_columns import known_names

BINARY_SHARE = 0.05  # of NUL bytes
UTF16_SHARE = 0.3  # English in UTF-16 has every second byte 0


def layout_of(head: Head) -> Layout | None:
    """The layout of a stream; None: no known layout recognises it. A mapping of columns that fits comes before all others."""
    if head.source.columns and DELIMITED_TEXT.recognises(head):
        return DELIMITED_TEXT
    return next((layout for layout in LAYOUTS if layout.recognises(head)), None)


def layout_by_name(head: Head) -> Layout | None:
    """The layout that the name promises, for a stream that none recognises: its sentences and rejects tell what is wrong."""
    name = head.name.lower().removesuffix(".gz")
    if not name.endswith((".csv", ".tsv")) or is_binary(head):
        return None
    if name.endswith(".csv") or head.source.columns:
        return DELIMITED_TEXT
    dialect = dialect_of(head)
    if dialect and (known_names(dialect.header) > 1 or has_header(head.lines)):
        return DELIMITED_TEXT
    return LASTFM_LINES


def is_binary(head: Head) -> bool:
    """Whether a stream is no text."""
    return head.content.count(0) > BINARY_SHARE * len(head.content)


def refusal(path: Path, head: Head, accepted: str) -> BadLogError:
    """What to raise when no layout is that of the stream. accepted: what could be given instead."""
    start = head.content.lstrip()[:1]
    if max(head.content[::2].count(0), head.content[1::2].count(0)) > UTF16_SHARE * len(head.content):
        return BadLogError(f"{path} seems to be UTF-16 without a byte order mark: save it as UTF-8.")
    if start in (b"{", b"[") and not is_binary(head):
        known = ", ".join(layout.name for layout in LAYOUTS)
        return BadLogError(
            f"{path} is not a log: it holds JSON in no layout that is known. Known are {known}; accepted is {accepted}."
        )
    return BadLogError(f"{path} is not a log: accepted is {accepted}. Give another path, or move it elsewhere.")
