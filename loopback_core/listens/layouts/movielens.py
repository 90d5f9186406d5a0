"""The ratings of MovieLens, read as if each rating were a listen: a log to try recommenders on, not music."""

import re
from collections.abc import Iterator
from typing import IO

import polars as pl

from loopback_core.listens.layouts.layout import Head, Layout, LayoutFile
from loopback_core.listens.layouts.lfm_sets import most_match
from loopback_core.listens.layouts.separated_lines import Separated, pass_header

RATING_FIELDS = {"user_id": 0, "artist_name": 1, "track_name": 1, "timestamp": 3}


class MovieLensDat(Layout):
    """`ratings.dat`: user::item::rating::seconds since 1970. The id of an item serves as its title and as its artist.

    Titles lie in another file, whose bytes would not be part of the version of the log: it is not read.
    """

    name = "MovieLens ratings.dat"
    time_format = "epoch_seconds"
    by_lines = True
    pattern = re.compile(r"\d+::\d+::[\d.]+::\d+")

    def recognises(self, head: Head) -> bool:
        """Most lines are four numbers with colons between them."""
        return most_match(self.pattern, head)

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        return Separated("::", RATING_FIELDS, 4, 4).rows(stream, file, block_bytes)


class MovieLensCsv(Layout):
    """`ratings.csv`: the same with commas and a header."""

    name = "MovieLens ratings.csv"
    time_format = "epoch_seconds"
    by_lines = True
    header = "userId,movieId,rating,timestamp"

    def recognises(self, head: Head) -> bool:
        """The first line is the header."""
        return head.lines[:1] == [self.header]

    def header_lines(self, head: Head) -> int:
        """See :class:`Layout`."""
        return 1

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        _, file = pass_header(stream, file)
        return Separated(",", RATING_FIELDS, 4, 4).rows(stream, file, block_bytes)
