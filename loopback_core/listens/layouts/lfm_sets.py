"""Data sets of Last.fm listens that research published: LFM-1b and LFM-2b, which hold ids only, and Last.fm-360K."""

import re
from collections.abc import Iterator
from typing import IO

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.layouts.separated_lines import Separated, pass_header

_LOOKED_AT = 100  # lines


def most_match(pattern: re.Pattern[str], head: Head, first: int = 0) -> bool:
    """Whether more than half of the first lines, from `first` on, match as a whole."""
    lines = head.lines[first : first + _LOOKED_AT]
    return 2 * sum(pattern.fullmatch(line) is not None for line in lines) > len(lines)


class Lfm1b(Layout):
    """`LFM-1b_LEs.txt`: user, artist, album, track, time in seconds since 1970, by tabs; the ids serve as names."""

    name = "LFM-1b listening events"
    time_format = "epoch_seconds"
    by_lines = True
    pattern = re.compile(r"\d+\t\d+\t\d+\t\d+\t\d{9,10}")
    separated = Separated("\t", {"user_id": 0, "artist_name": 1, "track_name": 3, "timestamp": 4}, 5, 5)

    def recognises(self, head: Head) -> bool:
        """Most lines are five numbers, the last of them a time."""
        return most_match(self.pattern, head)

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        return self.separated.rows(stream, file, block_bytes)


LFM_COLUMNS = {"user_id", "track_id", "album_id", "timestamp", "age_at_listen", "artist_id"}


class Lfm2b(Layout):
    """`listening-events.tsv`: a header with user_id, track_id, timestamp and others, by tabs; the ids serve as names.

    Where there is no `artist_id` a track stands for its artist too: recommenders then learn of tracks only.
    """

    name = "LFM-2b listening events"
    time_format = "iso"
    by_lines = True

    def recognises(self, head: Head) -> bool:
        """The header has its columns, and none that may hold names."""
        columns = set(head.lines[0].split("\t")) if head.lines else set()
        return columns >= {"user_id", "track_id", "timestamp"} and columns <= LFM_COLUMNS

    def header_lines(self, head: Head) -> int:
        """See :class:`Layout`."""
        return 1

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        header, file = pass_header(stream, file)
        columns = header.split("\t")
        track = columns.index("track_id")
        artist = columns.index("artist_id") if "artist_id" in columns else track
        places = {
            "user_id": columns.index("user_id"),
            "timestamp": columns.index("timestamp"),
            "artist_name": artist,
            "track_name": track,
        }
        return Separated("\t", places, len(columns), len(columns)).rows(stream, file, block_bytes)


class Lastfm360k(Layout):
    """`usersha1-artmbid-artname-plays.tsv`: how often each user played each artist. It is refused: it has no times."""

    name = "Last.fm-360K plays"
    pattern = re.compile(r"[0-9a-f]{40}\t[^\t]*\t[^\t]*\t *\d+ *")

    def recognises(self, head: Head) -> bool:
        """Most lines are the digest of a user, the id and the name of an artist, and a number."""
        return most_match(self.pattern, head)

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """None.

        Raises:
            BadLogError: always.
        """
        raise BadLogError(
            f"{file.path} holds the plays of Last.fm-360K: how often each user played an artist, but no tracks and no times, "
            "which everything here is built on. Give a log of single listens, such as Last.fm-1K (LOOPBACK_SOURCE=lastfm-1k)."
        )
