"""Clean listens as numbers on disk, and the names that the numbers stand for: only the names are in memory.

The table of listens is sorted by user, then by time. A block of it holds all listens of some users, so what is asked of each
user or of distinct (user, track) pairs is answered block by block, and added up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loopback_core.data.distinct_tracks import TRACK, distinct_tracks

BLOCK_ROWS = 2_000_000


@dataclass(frozen=True)
class UserBlock:
    """Consecutive listens, all of some users; arrays are (n,)."""

    user: NDArray[np.int64]  # place among the users of the log
    track: NDArray[np.int64]  # row in the table of tracks
    timestamp: NDArray[np.int64]  # seconds since 1970-01-01 UTC

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class NumberedLog:
    """A log in numbers; `rows` is a Parquet file of the columns `row` (of the track) and `timestamp`."""

    rows: Path
    user_ids: pl.Series  # (users,) in the order of the log
    listens: NDArray[np.int64]  # (users,) listens of each
    tracks: pl.DataFrame  # artist_name, track_name, track_mbid, artist_mbid, by name
    artists: pl.DataFrame  # artist_name, by name
    artist_of_track: NDArray[np.int64]  # (tracks,)

    def __len__(self) -> int:
        return int(self.listens.sum())

    def timestamps(self) -> Iterator[NDArray[np.int64]]:
        """The moments of all listens, in pieces."""
        with pq.ParquetFile(self.rows) as file:
            for batch in file.iter_batches(BLOCK_ROWS, columns=["timestamp"]):
                yield batch.column(0).to_numpy().astype(np.int64)

    def blocks(self, block_rows: int = BLOCK_ROWS) -> Iterator[UserBlock]:
        """The listens in their order; a block is closed by the user who takes it to `block_rows`."""
        before = np.cumsum(self.listens) - self.listens
        starts = np.flatnonzero(np.diff(before // block_rows, prepend=-1))
        table = pl.scan_parquet(self.rows, glob=False)
        for start, stop in zip(starts, [*starts[1:], len(self.listens)], strict=True):
            listens = self.listens[start:stop]
            rows = table.slice(int(before[start]), int(listens.sum())).collect()
            user = np.repeat(np.arange(start, stop), listens)
            yield UserBlock(
                user, rows["row"].to_numpy().astype(np.int64), rows["timestamp"].to_numpy().astype(np.int64)
            )


def number_log(interactions: Path, rows: Path) -> NumberedLog:
    """Number the tracks and artists of `interactions.parquet` by their names, and write its listens in these numbers."""
    listens = pl.scan_parquet(interactions, glob=False)
    user_ids, lengths = _users(interactions)
    tracks = distinct_tracks(interactions).sort(TRACK)
    numbers = tracks.lazy().select(*TRACK).with_row_index("row")
    (
        listens.select(*TRACK, pl.col("timestamp").dt.epoch("s").cast(pl.UInt32))
        .join(numbers, on=TRACK, how="left", maintain_order="left")
        .select("row", "timestamp")
        .sink_parquet(rows, compression="lz4", row_group_size=1 << 18, engine="streaming")
    )
    artists = tracks.select("artist_name").unique().sort("artist_name")
    of_track = tracks.select("artist_name").join(
        artists.with_row_index("artist"), on="artist_name", how="left", maintain_order="left"
    )
    return NumberedLog(rows, user_ids, lengths, tracks, artists, of_track["artist"].to_numpy().astype(np.int64))


def _users(interactions: Path) -> tuple[pl.Series, NDArray[np.int64]]:
    """The users in their order and how many listens each has: those of one follow each other."""
    runs = [pl.DataFrame(schema={"len": pl.UInt32, "value": pl.String})]
    with pq.ParquetFile(interactions) as file:
        batches = file.iter_batches(BLOCK_ROWS, columns=["user_id"])
        runs += (pl.Series(batch.column(0)).rle().struct.unnest() for batch in batches)
    by_run = pl.concat(runs)
    by_user = by_run.group_by(pl.col("value").rle_id().alias("user"), maintain_order=True).agg(
        pl.col("value").first(), pl.col("len").cast(pl.Int64).sum()
    )
    return by_user["value"].alias("user_id"), by_user["len"].to_numpy().astype(np.int64)
