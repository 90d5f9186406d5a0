"""Writes a log of any length as many Parquet parts, for `large_log.py`; seeded, one part in memory at a time."""

from pathlib import Path

import numpy as np
import polars as pl

PART_ROWS = 1_000_000
FIRST_MOMENT, SECONDS = 1_230_768_000, 4 * 365 * 86_400
"""2009-01-01 and four years: each part is the listens of a stretch of them, as a log grows."""

DUPLICATES, UNTITLED = 0.01, 0.005
"""Shares of the rows that are there twice, and that have no title."""


def write_part(folder: Path, number: int, parts: int, users: int, tracks: int, rows: int = PART_ROWS) -> Path:
    """Part `number` of `parts`: `rows` listens, of users and of tracks by Zipf's law, about ten tracks of each artist.

    Half of the artists and tracks have an id of MusicBrainz.
    """
    rng = np.random.default_rng([7, number])
    user = _zipf(rng, users, rows, spread=200.0)
    track = _zipf(rng, tracks, rows, spread=50.0)
    again = rng.random(rows) < DUPLICATES
    again[0] = False
    begin = FIRST_MOMENT + SECONDS * number // parts
    moment = begin + np.sort(rng.integers(SECONDS // parts, size=rows))
    for column in (user, track, moment):  # a row that is there twice follows the one that it repeats
        column[again] = column[np.flatnonzero(again) - 1]
    artist = track // 10
    numbers = pl.DataFrame({"user": user, "track": track, "artist": artist, "moment": moment})
    names = numbers.select(
        pl.format("user_{}", pl.col("user").cast(pl.String).str.zfill(7)).alias("user_id"),
        pl.from_epoch("moment").dt.replace_time_zone("UTC").alias("timestamp"),
        _mbid("artist").alias("artist_mbid"),
        pl.format("Artist {}", "artist").alias("artist_name"),
        _mbid("track").alias("track_mbid"),
        pl.when(pl.lit(pl.Series(rng.random(rows) < UNTITLED)))
        .then(pl.lit(""))
        .otherwise(pl.format("Title of track {}", "track"))
        .alias("track_name"),
    )
    path = folder / f"part-{number:05}.parquet"
    names.write_parquet(path, compression="zstd", compression_level=1, row_group_size=1 << 17)
    return path


def _zipf(rng: np.random.Generator, n: int, rows: int, spread: float) -> np.ndarray:
    """Numbers below n with probability proportional to 1 / (number + spread), in an order that is not that of the names."""
    low, high = np.log(spread), np.log(n + spread)
    drawn = (np.exp(rng.uniform(low, high, rows)) - spread).astype(np.int64).clip(0, n - 1)
    return drawn * 7_919 % n  # n is no multiple of this prime


def _mbid(name: str) -> pl.Expr:
    number = pl.col(name)
    text = pl.format(
        "{}-0000-4000-8000-{}",
        (number % 100_000_000).cast(pl.String).str.zfill(8),
        number.cast(pl.String).str.zfill(12),
    )
    return pl.when(number % 2 == 0).then(text)
