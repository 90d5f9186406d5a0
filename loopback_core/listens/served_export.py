"""The store of received listens, written into the folder of `raw_listens`."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopback_core.listens.listen_store import ListenStore, StoredRow
from loopback_core.listens.received import microseconds
from loopback_core.listens.served import ERASED_USERS, SERVED_LISTENS, ErasedUser, ServedRow
from loopback_core.listens.writing import TableWriter


@dataclass(frozen=True)
class ServedContent:
    """What a store holds up to a row. `asdict` of it is JSON."""

    listens: int
    erased: int  # users
    last_row: int  # later listens of the service have higher ones
    digest: str  # SHA-256 of the values of all listens in their order, and of the erasures


class ErasedMeanwhileError(Exception):
    """A user was erased between two readings of the store: read it again."""


def served_content(store: ListenStore) -> ServedContent:
    """What a store holds now.

    Raises:
        ListensError: it is damaged, or cannot be read.
    """
    store.refuse_damaged()
    return _pass_over(store, store.version(), None)


def export_served(store: ListenStore, content: ServedContent, folder: Path) -> None:
    """Write served_listens.parquet (ServedRow) and erased_users.parquet (ErasedUser): those of both that have rows.

    Listens that came after `content` was read are left for the next time.

    Raises:
        ErasedMeanwhileError: the store does not hold what `content` says any more.
        ListensError: it cannot be read.
    """
    if _pass_over(store, content.last_row, folder) != content:
        raise ErasedMeanwhileError


def _pass_over(store: ListenStore, up_to: int, folder: Path | None) -> ServedContent:
    sha256 = hashlib.sha256()
    count = 0
    with ExitStack() as files:
        writer: TableWriter | None = None
        for rows in store.rows(up_to):
            count += len(rows)
            for row in rows:
                sha256.update(repr(row[1:]).encode())
            if folder is not None:
                writer = writer or files.enter_context(TableWriter(folder / SERVED_LISTENS, ServedRow))
                writer.append(_frame(rows))
    erased = store.erased()
    sha256.update(repr([(user, microseconds(at)) for user, at in erased.items()]).encode())
    if folder is not None and erased:
        table = pl.DataFrame(
            {"user_id": list(erased), "erased_at": list(erased.values())},
            {"user_id": pl.String, "erased_at": pl.Datetime("us", "UTC")},
        )
        ErasedUser.validate(table).write_parquet(folder / ERASED_USERS)
    return ServedContent(count, len(erased), up_to, sha256.hexdigest())


def _frame(rows: list[StoredRow]) -> pl.DataFrame:
    text, time = pl.String, pl.Int64
    types = {
        "user_id": text,
        "timestamp": time,
        "artist_name": text,
        "track_name": text,
        "artist_mbid": text,
        "track_mbid": text,
        "received_at": time,
    }
    frame = pl.DataFrame([row[1:] for row in rows], types, orient="row")
    return frame.with_columns(pl.col("timestamp", "received_at").cast(pl.Datetime("us", "UTC")))
