"""The listens of those who got answers, to tracks that were shown, from the log and from the store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.received import microseconds
from loopback_core.recommenders.name_keys import track_hashes

LISTEN_COLUMNS = {"user": pl.Int64, "name": pl.UInt64, "time": pl.Int64}


@dataclass(frozen=True)
class Wanted:
    """Of whom and of what the listens are wanted."""

    users: frozenset[int]  # keys, see `AnswerLog.key_of`
    names: frozenset[int]  # hashes, see `track_hashes`
    key_of: Callable[[str], int]


@dataclass(frozen=True)
class ListensAfter:
    """Listens, and how far they reach."""

    listens: pl.DataFrame  # LISTEN_COLUMNS: key of the user, hash of the track, microseconds since 1970-01-01 UTC
    until: int  # microseconds since 1970-01-01 UTC: later ones may not have arrived yet


def read_listens(interactions: Path, store: ListenStore | None, wanted: Wanted) -> ListensAfter:
    """All listens that are wanted, of any time: of the newest log, and those that the service received.

    interactions: the file of clean listens. A listen that both hold is there twice.

    Raises:
        ListensError: the store cannot be read.
    """
    logged, until = _of_log(interactions, store, wanted)
    found = [logged]
    for rows, received_at in _of_store(store, wanted):
        found.append(rows)
        until = max(until, received_at)
    return ListensAfter(pl.concat(found), until)


def _of_log(interactions: Path, store: ListenStore | None, wanted: Wanted) -> tuple[pl.DataFrame, int]:
    log = pl.scan_parquet(interactions, glob=False)
    last = log.select(pl.col("timestamp").max()).collect().item()
    users = log.select("user_id").unique().collect()["user_id"].to_list()
    erased = {} if store is None else store.erased()
    whose = [(user, key) for user in users if (key := wanted.key_of(user)) in wanted.users]
    frame = pl.DataFrame(
        {
            "user_id": [user for user, _ in whose],
            "user": [key for _, key in whose],
            "forgotten": [microseconds(erased[user]) if user in erased else None for user, _ in whose],
        },
        {"user_id": pl.String, "user": pl.Int64, "forgotten": pl.Int64},
    )
    theirs = log.join(frame.lazy(), on="user_id")
    tracks = theirs.select("artist_name", "track_name").unique().collect()
    hashes = track_hashes(tracks["artist_name"].to_list(), tracks["track_name"].to_list())
    tracks = tracks.with_columns(pl.Series("name", hashes, pl.UInt64))
    tracks = tracks.filter(pl.Series([name in wanted.names for name in hashes.tolist()], dtype=pl.Boolean))
    listens = theirs.join(tracks.lazy(), on=["artist_name", "track_name"]).with_columns(
        pl.col("timestamp").dt.timestamp("us").alias("time")
    )
    kept = listens.filter(pl.col("forgotten").is_null() | (pl.col("time") > pl.col("forgotten")))
    return kept.select(LISTEN_COLUMNS.keys()).collect(), 0 if last is None else microseconds(last)


def _of_store(store: ListenStore | None, wanted: Wanted) -> Iterator[tuple[pl.DataFrame, int]]:
    """Listens in blocks, and when the last of each was received."""
    if store is None:
        return
    for block in store.rows(store.version()):
        rows = [
            (key, time, artist, track)
            for _, user, time, artist, track, *_ in block
            if (key := wanted.key_of(user)) in wanted.users
        ]
        hashes = track_hashes([artist for _, _, artist, _ in rows], [track for *_, track in rows])
        named = np.array([name in wanted.names for name in hashes.tolist()], bool)
        columns = [[key for key, *_ in rows], hashes, [time for _, time, *_ in rows]]
        frame = pl.DataFrame(columns, schema=LISTEN_COLUMNS)
        yield frame.filter(pl.Series(named, dtype=pl.Boolean)), max(row[-1] for row in block)
