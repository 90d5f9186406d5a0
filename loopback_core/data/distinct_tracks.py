"""The tracks of a table of listens: all of them are in memory, the listens are not."""

from pathlib import Path

import polars as pl

TRACK = ("artist_name", "track_name")
"""What a track is known by."""

NAMED_AT_ONCE = 1_000_000


def distinct_tracks(interactions: Path) -> pl.DataFrame:
    """artist_name, track_name and the least track_mbid and artist_mbid of every track, in any order.

    The tracks of some rows at a time are added to those that are known, once they are as many: each is looked at a few times.
    (The streaming engine of polars takes several times the memory.)
    """
    table = pl.scan_parquet(interactions, glob=False).select(*TRACK, "track_mbid", "artist_mbid")
    rows = table.select(pl.len()).collect().item()
    tracks = [_distinct(table.head(0))]
    for start in range(0, rows, NAMED_AT_ONCE):
        tracks.append(_distinct(table.slice(start, NAMED_AT_ONCE)))
        if sum(new.height for new in tracks[1:]) > max(NAMED_AT_ONCE, tracks[0].height):
            tracks = [_distinct(pl.concat(tracks).lazy())]
    return _distinct(pl.concat(tracks).lazy())


def _distinct(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.group_by(TRACK).agg(pl.col("track_mbid", "artist_mbid").min()).collect()
