"""The layouts of logs that are known: one file each, recognised by content."""

from loopback_core.listens.layouts.delimited_text import DelimitedText
from loopback_core.listens.layouts.lastfm_lines import LastfmLines
from loopback_core.listens.layouts.layout import Layout

DELIMITED_TEXT, LASTFM_LINES = DelimitedText(), LastfmLines()

GENERAL_LAYOUTS: tuple[Layout | None, ...] = (DELIMITED_TEXT, LASTFM_LINES, None)
"""Those of any log; the others are those of exports, which come with tables that are no listens. None: Parquet."""

LAYOUTS: tuple[Layout, ...] = (DELIMITED_TEXT, LASTFM_LINES)
"""In the order in which they are asked; the first that recognises a stream reads it. Special ones before general ones."""
