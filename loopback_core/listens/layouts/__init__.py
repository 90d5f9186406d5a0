"""The layouts of logs that are known: one file each, recognised by content."""

from loopback_core.listens.layouts.delimited_text import DelimitedText
from loopback_core.listens.layouts.lastfm_lines import LastfmLines
from loopback_core.listens.layouts.layout import Layout

DELIMITED_TEXT, LASTFM_LINES = DelimitedText(), LastfmLines()

LAYOUTS: tuple[Layout, ...] = (DELIMITED_TEXT, LASTFM_LINES)
"""In the order in which they are asked; the first that recognises a stream reads it. Special ones before general ones."""
