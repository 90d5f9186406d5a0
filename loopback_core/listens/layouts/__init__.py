"""The layouts of logs that are known: one file each, recognised by content."""

from loopback_core.listens.layouts.lastfm_lines import LastfmLines
from loopback_core.listens.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = (LastfmLines(),)
"""In the order in which they are asked; the first that recognises a stream reads it."""
