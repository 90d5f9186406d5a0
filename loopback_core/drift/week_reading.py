"""A log as numbers: who played what in which week, without its names."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopback_core.data import SECONDS_PER_DAY
from loopback_core.runtime.capacity import need_memory

WEEK = 7 * SECONDS_PER_DAY

BYTES_PER_LISTEN = 130
"""Peak memory of the statistics, by benchmarks/drift.py."""

MOST_OF_ONE_GAP = 0.5
"""Where more of the gaps between the listens of a user are equal, a program wrote the times, not a listener."""


@dataclass(frozen=True)
class WeeksOfLog:
    """The listens of a log by week. The last week ends with the last listen; what is older than the first is in week -1."""

    listens: pl.DataFrame  # user (dense), second, artist, track (hashes), week; sorted by user, then time
    users: pl.Series  # (users,) user_id by dense number
    starts: list[int]  # (weeks,) the first second of each week, since 1970-01-01 UTC
    times_are_invented: bool

    @property
    def n_weeks(self) -> int:
        """Complete weeks of the log, at most as many as were asked for."""
        return len(self.starts)


def read_weeks(interactions: Path, most_weeks: int) -> WeeksOfLog:
    """Read `interactions.parquet` of a folder. Of a log longer than most_weeks the last ones get a number.

    Raises:
        RoomError: the log is too long for the memory.
    """
    log = pl.scan_parquet(interactions / "interactions.parquet", glob=False)
    rows, first, last = log.select(pl.len(), *_ends()).collect(engine="streaming").row(0)
    need_memory(BYTES_PER_LISTEN * rows, f"Comparing the weeks of {rows:,} listens", "bring a shorter log")
    weeks = min((last - first + 1) // WEEK, most_weeks)
    artist = pl.col("artist_name").hash(1)
    second = pl.col("timestamp").dt.epoch("s")
    week = (weeks - 1 - (last - second) // WEEK).clip(-1).cast(pl.Int16)
    columns = {
        "user": pl.col("user_id").rle_id(),
        "second": second,
        "artist": artist,
        "track": artist ^ pl.col("track_name").hash(2),
        "week": week,
    }
    listens = log.select(**columns).collect(engine="streaming")
    users = log.select(pl.col("user_id").unique(maintain_order=True)).collect(engine="streaming")["user_id"]
    starts = [last + 1 - WEEK * (weeks - number) for number in range(weeks)]
    return WeeksOfLog(listens, users, starts, _has_one_gap(listens))


def _ends() -> tuple[pl.Expr, pl.Expr]:
    second = pl.col("timestamp").dt.epoch("s")
    return second.min().alias("first"), second.max().alias("last")


def _has_one_gap(listens: pl.DataFrame) -> bool:
    """Whether most gaps between a user's listens have one length, 0 left out: so are times that only keep an order."""
    gap = pl.col("second").diff().filter(pl.col("user") == pl.col("user").shift())
    gaps = listens.lazy().select(gap=gap).collect(engine="streaming")["gap"]
    counts = gaps.filter(gaps > 0).value_counts()["count"]
    return len(counts) > 0 and int(counts.max()) > MOST_OF_ONE_GAP * len(gaps)  # type: ignore[arg-type]
