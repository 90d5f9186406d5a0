"""The log of portable players, `.scrobbler.log`: "Portable Player Logging" of the Audioscrobbler wiki, 1.0 and 1.1."""

import logging
from collections.abc import Iterator
from typing import IO

import polars as pl

from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.lines import read_lines_of
from loopback_core.listens.log_rules import RAW_SCHEMA, Reason

log = logging.getLogger("loopback")

MAGIC = "#AUDIOSCROBBLER/"
FIELDS = ("artist", "album", "title", "number", "length", "rating", "time", "mbid")
LEAST_FIELDS = 7  # the last one may be missing


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

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        in_header, in_utc = True, False
        for lines in read_lines_of(stream, file.path, block_bytes, file.first_line):
            if in_header:
                of_header = lines["text"].str.starts_with("#")
                length = of_header.arg_min() if not of_header.all() else lines.height
                header = lines["text"].head(length).to_list()
                in_utc |= "#TZ/UTC" in (line.strip() for line in header)  # "#TZ/UTC+2" is not it
                lines = lines.slice(length or 0)
                in_header = lines.is_empty()
                if not in_header and not in_utc:
                    log.warning(
                        "%s: the player did not know its time zone; its times are read as UTC, so they may lie hours off.",
                        file.path,
                    )
            if lines.height:
                yield _split(lines)


def _split(lines: pl.DataFrame) -> pl.DataFrame:
    text = pl.col("text")
    tabs = text.str.count_matches("\t", literal=True)
    fields = text.str.split_exact("\t", len(FIELDS) - 1).struct.rename_fields(list(FIELDS))
    problem = (
        pl.when("undecodable")
        .then(pl.lit(Reason.UNDECODABLE_BYTES.value))
        .when(~tabs.is_between(LEAST_FIELDS - 1, len(FIELDS) - 1))
        .then(pl.lit(Reason.WRONG_FIELD_COUNT.value))
        .when(pl.col("rating").str.strip_chars() == "S")
        .then(pl.lit(Reason.SKIPPED.value))
    )
    return (
        lines.with_columns(fields.alias("fields"))
        .unnest("fields")
        .select(
            "line",
            pl.lit(None, pl.String).alias("user_id"),
            pl.col("time").alias("timestamp"),
            pl.lit(None, pl.String).alias("artist_mbid"),
            pl.col("artist").alias("artist_name"),
            pl.col("mbid").alias("track_mbid"),
            pl.col("title").alias("track_name"),
            problem.alias("problem"),
            "text",
        )
        .select(RAW_SCHEMA.keys())
    )
