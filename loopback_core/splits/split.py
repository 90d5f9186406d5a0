"""Cut the log, number what occurs in it, and write the parts and the catalogs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Catalog, Events
from loopback_core.errors import BadLogError
from loopback_core.runtime.capacity import need_memory
from loopback_core.settings import SplitSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.splits.cut import HELD_OUT, PART_NAMES, TEST, TRAIN, VALIDATION, cut, hold_out_users
from loopback_core.splits.histories_files import write_histories

TRACK = ("artist_name", "track_name")

SPLIT_BYTES_PER_LISTEN = 160
"""Peak memory of the step, by the benchmark at full size."""


@dataclass(frozen=True)
class SplitSummary:
    """How many events, users, tracks and artists there are, by part."""

    strategy: str
    events: dict[str, int]  # part -> events
    users: dict[str, int]  # part -> users that occur in it
    tracks: dict[str, int]  # part -> tracks that first occur in it
    artists: dict[str, int]
    first: dict[str, int]  # part -> its earliest timestamp, seconds
    last: dict[str, int]
    held_out: int  # events of held-out users before test, which are in none of the parts


def split_listens(interactions: Path, folder: Path, settings: SplitSettings) -> SplitSummary:
    """Write the parts in dense ids, and the two catalogs, into `folder`.

    interactions: folder with `interactions.parquet` (sorted by user, then time) and perhaps `profiles.parquet`.

    Raises:
        BadLogError: a part would be empty, or train has fewer than two users.
    """
    listens = pl.scan_parquet(interactions / "interactions.parquet", glob=False)
    count = listens.select(pl.len()).collect().item()
    need_memory(SPLIT_BYTES_PER_LISTEN * count, f"Cutting {count:,} listens into parts", "bring a shorter log")
    rows = listens.select("user_id", pl.col("timestamp").dt.epoch("s")).collect()
    user_row = rows["user_id"].rle_id().to_numpy().astype(np.int64)
    timestamp = rows["timestamp"].to_numpy()
    cut_part = cut(user_row, timestamp, settings)
    part = hold_out_users(user_row, cut_part, settings)
    _refuse_unusable(user_row, part, settings)

    names = listens.group_by(TRACK).agg(pl.col("track_mbid").min(), pl.col("artist_mbid").min())
    names = names.sort(TRACK).with_row_index("row")
    tracks = names.collect(engine="streaming")
    track_row = (
        listens.select(TRACK)
        .join(tracks.lazy().select(*TRACK, "row"), on=TRACK, how="left", maintain_order="left")
        .select("row")
        .collect(engine="streaming")["row"]
        .to_numpy()
        .astype(np.int64)
    )
    artists = tracks.select("artist_name").unique().sort("artist_name").with_row_index("artist_row")
    artist_row = tracks.join(artists, on="artist_name", maintain_order="left")["artist_row"].to_numpy()
    users = rows.select("user_id").unique(maintain_order=True)  # the order of user_row
    del rows

    track_id, track_part = _number(track_row, part, len(tracks), by_plays=True)
    artist_id, artist_part = _number(artist_row[track_row], part, len(artists), by_plays=True)
    user_id, user_part = _number(user_row, part, len(users), by_plays=False)

    artist_of_track = np.empty(len(tracks), np.int32)
    artist_of_track[track_id] = artist_id[artist_row]
    order = np.argsort(timestamp, kind="stable")  # ties stay in the order of users, then of the log
    events = Events(user_id[user_row][order], track_id[track_row][order], timestamp[order])
    part, cut_part = part[order], cut_part[order]
    parts = [events.where(part == p) for p in (TRAIN, VALIDATION, TEST)]

    folder.mkdir(parents=True, exist_ok=True)
    for name, of_part in zip(PART_NAMES, parts, strict=True):
        _write_events(of_part, folder / f"{name}.parquet")
    tracks = _sorted_by_id(tracks.drop("row"), "track", track_id, track_part).with_columns(
        pl.Series("artist", artist_of_track)
    )
    artists = _sorted_by_id(artists.drop("artist_row"), "artist", artist_id, artist_part)
    with ThreadPoolExecutor(2) as pool:  # most of it is sorting, which releases the GIL
        fits = parts[TRAIN], parts[TRAIN].then(parts[VALIDATION])
        catalogs = pool.map(lambda fit: count_catalog(fit, artist_of_track), fits)
    write_histories(*fits, folder)
    del fits
    for catalog, phase in zip(catalogs, ("tuning", "testing"), strict=True):
        _write_catalog(catalog, tracks, artists, folder / phase)
    # Names and artists of the tracks that only test plays: for the tasks whose candidates they are.
    _write_log_only(tracks, artists, folder / "log_only")
    if np.any(part == HELD_OUT):
        _write_held_out(events.where(part == HELD_OUT), cut_part[part == HELD_OUT], tracks, folder / "held_out")
    _write_users(_sorted_by_id(users, "user", user_id, user_part), interactions, folder)

    def by_part(values: NDArray[np.int8]) -> dict[str, int]:
        return {name: int(np.sum(values == p)) for p, name in enumerate(PART_NAMES)}

    return SplitSummary(
        strategy=settings.strategy,
        events=by_part(part),
        users={name: _count_distinct(p.user) for name, p in zip(PART_NAMES, parts, strict=True)},
        tracks=by_part(track_part),
        artists=by_part(artist_part),
        first={name: int(p.timestamp[0]) for name, p in zip(PART_NAMES, parts, strict=True)},
        last={name: int(p.timestamp[-1]) for name, p in zip(PART_NAMES, parts, strict=True)},
        held_out=int(np.sum(part == HELD_OUT)),
    )


def _refuse_unusable(user_row: NDArray[np.int64], part: NDArray[np.int8], settings: SplitSettings) -> None:
    for p, name in enumerate(PART_NAMES):
        if not np.any(part == p):
            raise BadLogError(
                f"The {settings.strategy!r} split leaves no {name} events out of {len(part):,}: bring a longer log, or "
                "change [split] (strategy, fractions or cut dates)."
            )
    if _count_distinct(user_row[part == TRAIN]) < 2:
        raise BadLogError(
            "Train holds the listens of one user only; towers learn from the differences between users: "
            "bring a log of at least two users. One person's history can be what a service is asked with that was trained on "
            "others: loopback recommend --history FILE."
        )


def _count_distinct(ids: NDArray[np.integer]) -> int:
    return int(np.count_nonzero(np.bincount(ids)))


def _number(
    row: NDArray[np.int64], part: NDArray[np.int8], n: int, *, by_plays: bool
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Dense ids in the order of first part; returns (id of each row number, first part of each row number).

    Inside train the most played come first when `by_plays` (hot embedding rows lie together); inside the later parts
    the order is that of the names, so that no count of the later parts can be read from an id. What only held-out users play before test comes last.
    """
    first_part = np.full(n, HELD_OUT, np.int8)
    for p in (TEST, VALIDATION, TRAIN):
        first_part[row[part == p]] = p
    plays = np.bincount(row[part == TRAIN], minlength=n) if by_plays else np.zeros(n, np.int64)
    order = np.lexsort((np.arange(n), -plays, first_part))
    ids = np.empty(n, np.int32)
    ids[order] = np.arange(n, dtype=np.int32)
    return ids, first_part


def _sorted_by_id(
    frame: pl.DataFrame, column: str, ids: NDArray[np.int32], first_part: NDArray[np.int8]
) -> pl.DataFrame:
    columns = (pl.Series(column, ids), pl.Series("first_part", first_part))
    return frame.with_columns(*columns).sort(column).select(column, pl.exclude(column))


def _write_events(events: Events, path: Path, **more: NDArray[np.int8]) -> None:
    moment = pl.from_epoch(pl.Series(events.timestamp), time_unit="s").dt.replace_time_zone("UTC")
    pl.DataFrame({"user": events.user, "track": events.track, "timestamp": moment, **more}).write_parquet(path)


def _write_catalog(catalog: Catalog, tracks: pl.DataFrame, artists: pl.DataFrame, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    tracks[: catalog.n_tracks].select("track", "artist", *TRACK, "track_mbid", "artist_mbid").with_columns(
        pl.Series("plays", catalog.plays),
        pl.Series("listeners", catalog.listeners),
        pl.Series("first_seen", catalog.first_seen),
    ).write_parquet(folder / "tracks.parquet")
    artists[: catalog.n_artists].select("artist", "artist_name").with_columns(
        pl.Series("plays", catalog.artist_plays),
        pl.Series("listeners", catalog.artist_listeners),
        pl.Series("first_seen", catalog.artist_first_seen),
    ).write_parquet(folder / "artists.parquet")


def _write_log_only(tracks: pl.DataFrame, artists: pl.DataFrame, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    only = pl.col("first_part") == TEST
    tracks.filter(only).select("track", "artist", *TRACK, "track_mbid", "artist_mbid").write_parquet(
        folder / "tracks.parquet"
    )
    artists.filter(only).select("artist", "artist_name").write_parquet(folder / "artists.parquet")


def _write_held_out(events: Events, cut_part: NDArray[np.int8], tracks: pl.DataFrame, folder: Path) -> None:
    """What held-out users played before test: kept for the checks; nothing else reads it."""
    folder.mkdir(exist_ok=True)
    _write_events(events, folder / "events.parquet", part=cut_part)
    tracks.filter(pl.col("track").is_in(np.unique(events.track))).select("track", *TRACK).write_parquet(
        folder / "tracks.parquet"
    )


def _write_users(users: pl.DataFrame, interactions: Path, folder: Path) -> None:
    profiles = interactions / "profiles.parquet"
    if profiles.exists():
        users = users.join(pl.read_parquet(profiles, glob=False), on="user_id", how="left", maintain_order="left")
    users.write_parquet(folder / "users.parquet")
