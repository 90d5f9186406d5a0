"""Bundles of four tracks, two numberings of them, and a log of clean listens, for answers that are written by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from loopback_core.bundle import bundle_files
from loopback_core.recommenders.name_keys import Keys, NameKeys
from loopback_core.served_quality.answer_log import LoggedAnswer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

TRACKS = [("A", "x"), ("A", "y"), ("B", "z"), ("Cé", "w")]


def moment(minutes):
    """Microseconds since 1970 so many minutes after NOON."""
    return int((NOON + timedelta(minutes=minutes)).timestamp()) * 1_000_000


def write_names(folder, order=(0, 1, 2, 3)):
    """The files of a bundle by which names are found; track i is TRACKS[order[i]]."""
    folder.mkdir(parents=True)
    artists, titles = zip(*(TRACKS[i] for i in order), strict=True)
    names = pl.DataFrame({"artist": np.arange(4), "artist_name": artists, "track_name": titles})
    blank = pl.lit(None, pl.String)
    names = names.with_columns(blank.alias("track_mbid"), blank.alias("artist_mbid"))
    bundle_files._write_names(names, folder / bundle_files.NAMES)
    keys, none = NameKeys.of(names), Keys.of([], np.zeros(0, np.int64))
    for name, those in (("tracks", keys.tracks), ("artists", keys.artists)):
        those.save(folder, name)
    for name in ("track_mbids", "artist_mbids", "users"):
        none.save(folder, name)
    return folder


def write_interactions(path, rows):
    """rows: user, minutes after NOON, place in TRACKS."""
    users, minutes, tracks = zip(*rows, strict=True)
    times = [NOON + timedelta(minutes=one) for one in minutes]
    frame = pl.DataFrame(
        {
            "user_id": users,
            "timestamp": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "artist_name": [TRACKS[track][0] for track in tracks],
            "track_name": [TRACKS[track][1] for track in tracks],
        }
    )
    frame.write_parquet(path)
    return path


def answer(user, minutes, tracks, task="discovery", bundle="b1", **more):
    """An answer so many minutes after NOON."""
    return LoggedAnswer(moment(minutes), task, bundle, user, len(tracks), tracks, **more)
