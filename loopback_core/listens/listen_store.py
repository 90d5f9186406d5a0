"""The listens that the service has received, kept in `home/listens/listens.sqlite`, and the users who were erased.

What :meth:`ListenStore.add` has returned for is on the disk: a transaction of SQLite in WAL mode, flushed before it
returns (`synchronous=FULL`). Any number of threads and processes of one machine may use a store at once: writers wait for
each other, readers for nobody. Not over a network file system, where WAL does not work.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from loopback_core.errors import ListensError
from loopback_core.listens.listen_database import ListenDatabase
from loopback_core.listens.listen_store_errors import WAIT_SECONDS, damaged, sqlite_errors
from loopback_core.listens.received import (
    KeptListen,
    ReceivedListen,
    identities,
    microseconds,
    moment_of,
    normal_user,
)

FILE = Path("listens", "listens.sqlite")
"""Where it lies in the home."""

READ_AT_ONCE = 20_000
COLUMNS = "row, user_id, time, artist, track, artist_mbid, track_mbid, received_at"

StoredRow = tuple[int, str, int, str, str, str | None, str | None, int]
"""The values of COLUMNS."""


class Added(NamedTuple):
    """What became of the listens that were added."""

    stored: int
    known_already: int
    before_erasure: int  # not stored: the user was erased after them


class ListenStore:
    """The file of listens of one home.

    One store serves all threads of a process. Open it in each process: what is open does not survive a fork.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = ListenDatabase(path)

    @classmethod
    def open(cls, home: Path) -> Self:
        """The store of a home, made when there is none.

        Raises:
            ListensError: the file is damaged or of something else, or cannot be written to.
        """
        return cls(home / FILE)

    @classmethod
    def existing(cls, home: Path) -> Self | None:
        """The store of a home, None where nothing was ever received; raises as :meth:`open`."""
        with sqlite_errors(path := home / FILE):
            return cls(path) if path.exists() else None

    def add(self, listens: Sequence[ReceivedListen], at: datetime | None = None) -> Added:
        """Store those of `listens` that are not there yet, all in one transaction.

        Two listens are one when user, time, artist and track are the same in normal form; the first is kept. Listens of an
        erased user that lie before the erasure are not stored. at: when they were received; None: now.

        Raises:
            RequestError: a text cannot be kept.
            ListensError: nothing was stored; the message says why.
        """
        known_by = identities(listens)
        received_at = microseconds(at or datetime.now(UTC))
        stored = before_erasure = 0
        with self._file.writing() as connection:
            erased_at = {user: _erased_at(connection, user) for user in {one.user_id for one in known_by}}
            before = row = _last_row(connection)
            for listen, (user, time, artist, track) in zip(listens, known_by, strict=True):
                if time <= erased_at[user]:
                    before_erasure += 1
                    continue
                names = (listen.artist, listen.track, listen.artist_mbid or None, listen.track_mbid or None)
                values = (row + 1, user, time, *names, received_at, artist, track)
                row += connection.execute(
                    "INSERT INTO listens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (user_id, time, artist_normal, track_normal) DO NOTHING",
                    values,
                ).rowcount
            stored = row - before
            if stored:
                connection.execute("UPDATE last SET row = ?", (row,))
        return Added(stored, len(listens) - stored - before_erasure, before_erasure)

    def of_user(self, user_id: str, after: int = 0) -> list[KeptListen]:
        """The listens of a user whose row is higher than `after`, the oldest first (by time, then by row).

        Raises:
            RequestError, ListensError: no user can have this id; the file cannot be read.
        """
        user = normal_user(user_id)
        with self._file.reading() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM listens WHERE user_id = ? AND row > ? ORDER BY time, row", (user, after)
            ).fetchall()
        return [_kept(row) for row in rows]

    def version(self, user_id: str | None = None) -> int:
        """A number that grows when something is stored or erased: of this user, or (None) of any. 0: nothing ever was.

        That of all is also the highest row so far.

        Raises:
            RequestError, ListensError: no user can have this id; the file cannot be read.
        """
        user = None if user_id is None else normal_user(user_id)
        with self._file.reading() as connection:
            if user is None:
                return _last_row(connection)
            (row,) = connection.execute(
                "SELECT max(ifnull((SELECT max(row) FROM listens WHERE user_id = ?), 0), "
                "ifnull((SELECT row FROM erased WHERE user_id = ?), 0))",
                (user, user),
            ).fetchone()
        return int(row)

    def erase(self, user_id: str, at: datetime | None = None) -> int:
        """Delete the listens of a user, and remember that all until `at` is to be forgotten; returns how many they were.

        The rows are overwritten in the file, and the WAL is emptied, before this returns. at: when it was asked; None: now.

        Raises:
            RequestError: no user can have this id.
            ListensError: nothing was erased; or it was, but a reader kept the rows in the WAL: then the message says so, and
                the same call ends it.
        """
        user = normal_user(user_id)
        with self._file.writing() as connection:
            row = _last_row(connection) + 1
            count = connection.execute("DELETE FROM listens WHERE user_id = ?", (user,)).rowcount
            connection.execute(
                "INSERT INTO erased VALUES (?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET "
                "erased_at = max(erased_at, excluded.erased_at), row = excluded.row",
                (user, microseconds(at or datetime.now(UTC)), row),
            )
            connection.execute("UPDATE last SET row = ?", (row,))
        if not self._file.empty_wal():
            raise ListensError(
                f"The user was erased, but another program was reading {self.path} for {WAIT_SECONDS:.0f} seconds, so "
                "that the listens are still in the file next to it: erase the user again."
            )
        return count

    def erased(self) -> dict[str, datetime]:
        """User -> when they last asked to be erased, UTC; sorted by user."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT user_id, erased_at FROM erased ORDER BY user_id").fetchall()
        return {user: moment_of(erased_at) for user, erased_at in rows}

    def erased_at(self, user_id: str) -> datetime | None:
        """When a user last asked to be erased, UTC; None: never. Raises as :meth:`of_user`."""
        user = normal_user(user_id)
        with self._file.reading() as connection:
            erased_at = _erased_at(connection, user)
        return None if erased_at == float("-inf") else moment_of(int(erased_at))

    def rows(self, up_to: int) -> Iterator[list[StoredRow]]:
        """All listens up to a row, in the order in which they were received, in lists.

        Each list is read by itself, so that no erasure has to wait; a user who is erased meanwhile may be in it in part.
        """
        after = 0
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(
                    f"SELECT {COLUMNS} FROM listens WHERE row > ? AND row <= ? ORDER BY row LIMIT ?",
                    (after, up_to, READ_AT_ONCE),
                ).fetchall()
            if not rows:
                return
            yield rows
            after = rows[-1][0]

    def count_after(self, row: int) -> int:
        """How many listens have a higher row. Raises as :meth:`rows`."""
        with self._file.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM listens WHERE row > ?", (row,)).fetchone()
        return int(count)

    def refuse_damaged(self) -> None:
        """Raise unless the pages of the file hang together; reads all of it.

        Raises:
            ListensError: they do not.
        """
        with self._file.reading() as connection:
            (fault,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if fault != "ok":
            raise ListensError(damaged(self.path, " ".join(str(fault).split())))

    def close(self) -> None:
        """Close all connections; one in use is closed when its thread has finished."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _last_row(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT row FROM last").fetchone()[0])


def _erased_at(connection: sqlite3.Connection, user: str) -> float:
    found = connection.execute("SELECT erased_at FROM erased WHERE user_id = ?", (user,)).fetchone()
    return float("-inf") if found is None else found[0]


def _kept(row: StoredRow) -> KeptListen:
    number, user, time, artist, track, artist_mbid, track_mbid, received_at = row
    return KeptListen(
        user, artist, track, moment_of(time), artist_mbid, track_mbid, row=number, received_at=moment_of(received_at)
    )
