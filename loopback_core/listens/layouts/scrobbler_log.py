"""The log of portable players, `.scrobbler.log`: "Portable Player Logging" of the Audioscrobbler wiki, 1.0 and 1.1."""

import logging
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import IO

import polars as pl

from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.layouts.separated_lines import Separated
from loopback_core.listens.lines import read_lines
from loopback_core.listens.log_rules import Reason

log = logging.getLogger("loopback")

MAGIC = "#AUDIOSCROBBLER/"
HEADER_LINE = r"^#[^\t]*$"
RATING = 5
SEPARATED = Separated(
    "\t", {"artist_name": 0, "track_name": 2, "timestamp": 6, "track_mbid": 7}, 7, 8
)  # the id may be missing


class ScrobblerLog(Layout):
    """Header lines that begin with "#", then artist, album, title, number, seconds, rating, time, MusicBrainz id, by tabs.

    The rating is L for listened or S for skipped. Times are seconds since 1970, in UTC where the header says #TZ/UTC; else
    by the clock of the player, whose zone nobody knows: they are read as UTC, and the log of the run says so.
    """

    name = "Audioscrobbler log of a portable player"
    time_format = "epoch_seconds"
    has_users = False
    by_lines = True

    def recognises(self, head: Head) -> bool:
        """The first line says so."""
        return head.text.startswith(MAGIC)

    def header_lines(self, head: Head) -> int:
        """See :class:`Layout`."""
        return sum(1 for _ in takewhile(re.compile(HEADER_LINE).match, head.lines))

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        in_header, in_utc = True, False
        for lines in read_lines(stream, file.path, block_bytes, file.first_line):
            if in_header:
                length = int(lines["text"].str.contains(HEADER_LINE).cast(pl.UInt8).cum_min().sum())
                header = lines["text"].head(length).to_list()
                in_utc |= "#TZ/UTC" in (line.strip() for line in header)  # "#TZ/UTC+2" is not it
                lines = lines.slice(length)
                in_header = lines.is_empty()
                if not in_header and not in_utc:
                    log.warning(
                        "%s: the player did not know its time zone; its times are read as UTC, so they may lie hours off.",
                        file.path,
                    )
            if lines.height:
                rows = SEPARATED.split(lines)
                rating = rows["text"].str.split_exact("\t", RATING).struct.field(f"field_{RATING}").str.strip_chars()
                skipped = pl.when(rating == "S").then(pl.lit(Reason.SKIPPED.value))
                yield rows.with_columns(pl.coalesce("problem", skipped).alias("problem"))
