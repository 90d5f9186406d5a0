"""The tables of tracks, artists and users, by dense id."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data.distinct_tracks import TRACK
from loopback_core.splits.catalog_counts import CatalogCounts, ItemCounts
from loopback_core.splits.cut import HELD_OUT, TEST, TRAIN, VALIDATION, Parts
from loopback_core.splits.numbered_log import NumberedLog
from loopback_core.splits.part_counts import PartCounts

TRACK_COLUMNS = ("track", "artist", *TRACK, "track_mbid", "artist_mbid")
ARTIST_COLUMNS = ("artist", "artist_name")


@dataclass(frozen=True)
class LogTables:
    """The names of a log, with the dense id and the first part of each track and artist, by its number in the log."""

    log: NumberedLog
    track_id: NDArray[np.int32]
    track_part: Parts
    artist_id: NDArray[np.int32]
    artist_part: Parts


def write_catalogs(tables: LogTables, counts: PartCounts, folder: Path) -> None:
    """Write `tuning/`, `testing/`, `log_only/`, and `held_out/tracks.parquet` where users are held out."""
    tracks_by_id, artists_by_id = np.argsort(tables.track_id), np.argsort(tables.artist_id)
    artist = tables.artist_id[tables.log.artist_of_track[tracks_by_id]]
    tracks = tables.log.tracks[tracks_by_id].with_columns(
        pl.Series("track", np.arange(len(artist), dtype=np.int32)), pl.Series("artist", artist)
    )
    artists = tables.log.artists[artists_by_id].with_columns(
        pl.Series("artist", np.arange(len(artists_by_id), dtype=np.int32))
    )
    track_part, artist_part = tables.track_part[tracks_by_id], tables.artist_part[artists_by_id]
    for phase, last_part, of_phase in (("tuning", TRAIN, counts.tuning), ("testing", VALIDATION, counts.testing)):
        n_tracks, n_artists = (int(np.sum(part <= last_part)) for part in (track_part, artist_part))
        _write_catalog(
            tracks[:n_tracks],
            artists[:n_artists],
            (tracks_by_id[:n_tracks], artists_by_id[:n_artists]),
            of_phase,
            folder / phase,
        )
    # Names and artists of the tracks that only test plays: for the tasks whose candidates they are.
    only = folder / "log_only"
    only.mkdir(exist_ok=True)
    tracks.filter(pl.Series(track_part == TEST)).select(TRACK_COLUMNS).write_parquet(only / "tracks.parquet")
    artists.filter(pl.Series(artist_part == TEST)).select(ARTIST_COLUMNS).write_parquet(only / "artists.parquet")
    if counts.events[HELD_OUT]:  # kept for the checks; nothing else reads it
        played = np.sort(tables.track_id[counts.held_out_tracks])
        tracks[played].select("track", *TRACK).write_parquet(folder / "held_out" / "tracks.parquet")


def _write_catalog(
    tracks: pl.DataFrame,
    artists: pl.DataFrame,
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]],
    counts: CatalogCounts,
    folder: Path,
) -> None:
    """numbers: those of the tracks and of the artists in the log."""
    folder.mkdir(exist_ok=True)
    of_tracks, of_artists = _counted(counts.tracks, numbers[0]), _counted(counts.artists, numbers[1])
    tracks.select(TRACK_COLUMNS).with_columns(of_tracks).write_parquet(folder / "tracks.parquet")
    artists.select(ARTIST_COLUMNS).with_columns(of_artists).write_parquet(folder / "artists.parquet")


def _counted(counts: ItemCounts, numbers: NDArray[np.int64]) -> list[pl.Series]:
    names = ("plays", "listeners", "first_seen")
    return [pl.Series(name, values) for name, values in zip(names, counts.take(numbers), strict=True)]


def write_users(
    user_ids: pl.Series, user_id: NDArray[np.int32], user_part: Parts, profiles: Path, folder: Path
) -> None:
    """Write `users.parquet`: dense id, name, first part, and the profile where the log has profiles."""
    by_id = np.argsort(user_id)
    users = pl.DataFrame(
        {
            "user": np.arange(len(by_id), dtype=np.int32),
            "user_id": user_ids[by_id],
            "first_part": user_part[by_id],
        }
    )
    if profiles.exists():
        users = users.join(pl.read_parquet(profiles, glob=False), on="user_id", how="left", maintain_order="left")
    users.write_parquet(folder / "users.parquet")
