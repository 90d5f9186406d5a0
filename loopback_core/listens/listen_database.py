"""A SQLite file of the service, of received listens or of answers: its tables, its connections, its transactions."""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from loopback_core.errors import ListensError
from loopback_core.listens.listen_store_errors import WAIT_SECONDS, not_ours, sqlite_errors


class DatabaseForm(NamedTuple):
    """What a file holds, as its header says, and its tables."""

    application_id: int  # 32 bits, in the header of the file
    number: int  # of the form; another version of loopback may write another
    tables: tuple[str, ...]  # statements that make them
    upgrades: tuple[str, ...] = ()  # statement i makes form i + 2 of form i + 1


LISTENS_FORM = DatabaseForm(
    0x6C6F6F70,  # "loop"
    1,
    (
        # names as they came; those by which a listen is known, in normal form; times in microseconds since 1970 UTC
        "CREATE TABLE listens (row INTEGER PRIMARY KEY, user_id TEXT NOT NULL, time INTEGER NOT NULL, "
        "artist TEXT NOT NULL, track TEXT NOT NULL, artist_mbid TEXT, track_mbid TEXT, received_at INTEGER NOT NULL, "
        "artist_normal TEXT NOT NULL, track_normal TEXT NOT NULL, "
        "UNIQUE (user_id, time, artist_normal, track_normal))",
        "CREATE INDEX rows_of_user ON listens (user_id)",
        "CREATE TABLE erased (user_id TEXT PRIMARY KEY, erased_at INTEGER NOT NULL, row INTEGER NOT NULL)",
        "CREATE TABLE last (row INTEGER NOT NULL)",  # of a listen or an erasure, so that no number is used twice
        "INSERT INTO last VALUES (0)",
    ),
)


class ListenDatabase:
    """The file of a form at a path, made when there is none. A connection is used by one thread at a time and then handed on.

    Raises:
        ListensError: the file is damaged or of something else, or cannot be written to.
    """

    def __init__(self, path: Path, form: DatabaseForm = LISTENS_FORM) -> None:
        self.path, self.form = path, form
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        self._one_writer = threading.Lock()  # threads queue here, processes at the lock of SQLite
        with sqlite_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(".lock"), timeout=WAIT_SECONDS), self.reading() as connection:
                self._prepare(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses. After an error it is closed, which takes back an open transaction.

        Raises:
            ListensError: SQLite refused.
        """
        with sqlite_errors(self.path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = _connect(self.path)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            if self._closed:
                self.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is flushed to the disk when the block ends, or leaves nothing when it fails.

        Raises:
            ListensError: SQLite refused.
        """
        with self._one_writer, self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def empty_wal(self) -> bool:
        """Move what the WAL holds into the file and cut it to nothing; False when a reader is in the way."""
        with self._one_writer, self.reading() as connection:
            return _empty_wal(connection)

    def close(self) -> None:
        """Close all connections; one in use is closed when its thread has finished."""
        self._closed = True
        with suppress(IndexError):  # none is left
            while True:
                self._idle.pop().close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables where there are none; one process at a time."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        if (application, number) == self.form[:2]:
            _empty_wal(connection)  # a process that was killed may have left erased rows in it
            return
        if application == self.form.application_id and number <= len(self.form.upgrades):
            connection.execute("BEGIN IMMEDIATE")
            for statement in self.form.upgrades[number - 1 :]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self.form.number}")
            connection.execute("COMMIT")
            return
        if application == self.form.application_id:
            raise ListensError(
                f"{self.path} is of format {number}, not {self.form.number}: use the version of loopback that wrote it."
            )
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            raise not_ours(self.path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in self.form.tables:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {self.form.application_id}")
        connection.execute(f"PRAGMA user_version = {self.form.number}")
        connection.execute("COMMIT")
        for folder in (self.path.parent, self.path.parent.parent):
            _flush_folder(folder)  # a new file survives a power cut once its folder does


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _empty_wal(connection: sqlite3.Connection) -> bool:
    """Move what the WAL holds into the file and cut it to nothing; False when a reader is in the way."""
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
