"""Names as character trigrams, hashed (Huang et al. 2013, DSSM): names that look alike share most of theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data.ragged import Ids, Ragged

BEGIN, END = "\x02", "\x03"
"""Marks at both ends of a name, so that its first and last letters make trigrams of their own."""

FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
"""Odd numbers of 64 bits, one for each place of a trigram: the same buckets on every machine."""


@dataclass(frozen=True)
class Names:
    """Many names, kept as code points; their trigrams are made when they are asked for."""

    offsets: Ids  # (n + 1,)
    points: NDArray[np.uint32]  # (total,) Unicode code points, each name between its marks

    @classmethod
    def of(cls, names: pl.Series) -> Self:
        """Names in lower case; null is the empty name."""
        marked = (BEGIN + names.fill_null("").str.to_lowercase() + END).rechunk()
        offsets = np.concatenate([[0], np.cumsum(marked.str.len_chars().to_numpy())]).astype(np.int64)
        points = np.frombuffer("".join(marked.to_list()).encode("utf-32-le"), np.uint32)
        return cls(offsets, points)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def trigrams(self, names: Ids, buckets: int) -> Ragged:
        """Row i: the buckets of the trigrams of name names[i], in [0, buckets); an empty name has none.

        names: (rows,); one outside of [0, n) has none either.
        """
        known = (names >= 0) & (names < len(self))
        begins = self.offsets[np.where(known, names, 0)]
        counts = np.where(
            known, self.offsets[np.where(known, names, 0) + 1] - begins - 2, 0
        )  # letters with the marks - 2
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        first = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
        mixed = np.zeros(len(first), np.uint64)
        for place, factor in enumerate(FACTORS):
            mixed += self.points[first + place].astype(np.uint64) * factor
        mixed ^= mixed >> np.uint64(29)
        mixed *= FACTORS[0]
        return Ragged(offsets, ((mixed >> np.uint64(32)) % np.uint64(buckets)).astype(np.int64))


class TrackNames:
    """The names of every track of a log and of its artists, by dense id; letters are read when they are asked for."""

    def __init__(self, read: Callable[[], pl.DataFrame]) -> None:
        """read: gives the columns artist, artist_name and track_name, row i for track i."""
        self._read = read

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The columns artist, artist_name and track_name, row i for track i."""
        return self._read()

    @cached_property
    def titles(self) -> Names:
        """By track."""
        return Names.of(self.frame["track_name"])

    @cached_property
    def artists(self) -> Names:
        """By artist."""
        artist = self.frame["artist"].to_numpy()
        row = np.full(int(artist.max(initial=-1)) + 1, len(artist))  # beyond the last row: an artist without a track
        row[artist] = np.arange(len(artist))
        return Names.of(self.frame["artist_name"].extend_constant(None, 1)[row])
