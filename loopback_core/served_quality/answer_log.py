"""The answers that the service gave, kept in `home/listens/answers.sqlite` where somebody asked for it.

No name is in it: a user is a number that a random salt in the same file makes of the id, a track is its id in the bundle
that answered. Answers to callers who did not say who they are are counted, not kept.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from loopback_core.errors import ListensError
from loopback_core.listens.listen_database import DatabaseForm, ListenDatabase
from loopback_core.listens.listen_store_errors import WAIT_SECONDS, sqlite_errors
from loopback_core.listens.received import microseconds, normal_user
from loopback_core.store.challenger_pointer import Challenge

ANSWERS_FILE = Path("listens", "answers.sqlite")
"""Where it lies in the home."""

LONGEST_KEPT = 100
"""Tracks of a list that are kept, from its head."""

ANSWERS_FORM = DatabaseForm(
    0x6C6F6F61,  # "looa"
    2,
    (
        # times in microseconds since 1970 UTC; tracks: 4 bytes each, little-endian, in the order in which they were shown
        "CREATE TABLE answers (row INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, task TEXT NOT NULL, "
        "bundle TEXT NOT NULL, user INTEGER NOT NULL, k INTEGER NOT NULL, tracks BLOB NOT NULL, "
        # version and salt of the test that the answer is a part of; whether it was asked for without a wish
        "challenger TEXT, split TEXT, plain INTEGER NOT NULL DEFAULT 0)",
        "CREATE INDEX answers_of_user ON answers (user)",
        "CREATE INDEX answers_by_time ON answers (time)",
        "CREATE TABLE anonymous (day INTEGER NOT NULL, task TEXT NOT NULL, bundle TEXT NOT NULL, "
        "answers INTEGER NOT NULL, PRIMARY KEY (day, task, bundle))",
        "CREATE TABLE erased_keys (user INTEGER PRIMARY KEY, erased_at INTEGER NOT NULL)",
        "CREATE TABLE salt (salt BLOB NOT NULL)",
        "INSERT INTO salt VALUES (randomblob(16))",
    ),
    ("ALTER TABLE answers ADD COLUMN plain INTEGER NOT NULL DEFAULT 0",),
)

MICROSECONDS_PER_DAY = 86_400_000_000

ANSWER_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Int64,  # microseconds since 1970-01-01 UTC
    "task": pl.String,
    "bundle": pl.String,  # version
    "challenger": pl.String,  # version, and salt, of the test that the answer is a part of; null: of none
    "split": pl.String,
    "plain": pl.Boolean,  # whether the question named a user, a task and a number of tracks, and nothing else
    "user": pl.Int64,  # see AnswerLog.key_of
    "tracks": pl.List(pl.UInt32),  # in the order in which they were shown
}
"""Columns of :meth:`AnswerLog.frame`."""


@dataclass(frozen=True)
class LoggedAnswer:
    """A list that the service gave."""

    time: int  # microseconds since 1970-01-01 UTC
    task: str
    bundle: str  # version
    user_id: str | None  # None: the caller did not say
    k: int  # tracks that were asked for
    tracks: Sequence[int]  # ids of that bundle, best first
    challenge: Challenge | None = None  # the test that the answer is a part of
    is_plain: bool = False  # nothing but a user, a task and a number of tracks was asked with


class AnswerLog:
    """The file of answers of one home. One serves all threads of a process; any number of processes may write."""

    def __init__(self, path: Path) -> None:
        self._file = ListenDatabase(path, ANSWERS_FORM)
        with self._file.reading() as connection:
            (self._salt,) = connection.execute("SELECT salt FROM salt").fetchone()

    @classmethod
    def open(cls, home: Path) -> Self:
        """The log of a home, made when there is none.

        Raises:
            ListensError: the file is damaged or of something else, or cannot be written to.
        """
        return cls(home / ANSWERS_FILE)

    @classmethod
    def existing(cls, home: Path) -> Self | None:
        """The log of a home, None where nothing was ever logged; raises as :meth:`open`."""
        with sqlite_errors(path := home / ANSWERS_FILE):
            return cls(path) if path.exists() else None

    def key_of(self, user_id: str) -> int:
        """The number that stands for a user in this file: 64 bits, signed. user_id: in normal form."""
        hashed = hashlib.blake2b(user_id.encode(), digest_size=8, key=self._salt)
        return int.from_bytes(hashed.digest(), "little", signed=True)

    def add(self, answers: Sequence[LoggedAnswer]) -> None:
        """Keep answers, all in one transaction; not those to users who were erased since.

        Raises:
            ListensError: nothing was kept; the message says why.
        """
        rows = []
        for one in answers:
            if one.user_id is not None:
                key, tracks = self.key_of(one.user_id), np.array(one.tracks[:LONGEST_KEPT], "<u4").tobytes()
                test = (None, None) if one.challenge is None else (one.challenge.version, one.challenge.salt)
                rows.append((one.time, one.task, one.bundle, key, one.k, tracks, *test, one.is_plain, key, one.time))
        anonymous = Counter(
            (one.time // MICROSECONDS_PER_DAY, one.task, one.bundle) for one in answers if one.user_id is None
        )
        with self._file.writing() as connection:
            connection.executemany(
                "INSERT INTO answers (time, task, bundle, user, k, tracks, challenger, split, plain) "
                "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? "
                "WHERE NOT EXISTS (SELECT 1 FROM erased_keys WHERE user = ? AND erased_at >= ?)",
                rows,
            )
            connection.executemany(
                "INSERT INTO anonymous VALUES (?, ?, ?, ?) "
                "ON CONFLICT (day, task, bundle) DO UPDATE SET answers = answers + excluded.answers",
                [(*of, count) for of, count in anonymous.items()],
            )

    def erase(self, user_id: str, at: datetime | None = None) -> int:
        """Delete the answers to a user, those too that wait to be written; returns how many were there.

        The rows are overwritten in the file, and the WAL is emptied, before this returns. at: when it was asked; None: now.

        Raises:
            RequestError: no user can have this id.
            ListensError: they are still there, or in the WAL; the same call ends it.
        """
        key = self.key_of(normal_user(user_id))
        with self._file.writing() as connection:
            count = connection.execute("DELETE FROM answers WHERE user = ?", (key,)).rowcount
            connection.execute(
                "INSERT INTO erased_keys VALUES (?, ?) "
                "ON CONFLICT (user) DO UPDATE SET erased_at = max(erased_at, excluded.erased_at)",
                (key, microseconds(at or datetime.now(UTC))),
            )
        if not self._file.empty_wal():
            raise ListensError(
                f"Another program was reading {self._file.path} for {WAIT_SECONDS:.0f} seconds, so that the answers to the "
                "user are still in the file next to it: erase the user again."
            )
        return count

    def delete_before(self, time: int) -> None:
        """Delete what is older. time: microseconds since 1970-01-01 UTC.

        Raises:
            ListensError: nothing was deleted.
        """
        with self._file.writing() as connection:
            connection.execute("DELETE FROM answers WHERE time < ?", (time,))
            connection.execute("DELETE FROM anonymous WHERE day < ?", (time // MICROSECONDS_PER_DAY,))
            connection.execute("DELETE FROM erased_keys WHERE erased_at < ?", (time,))

    def frame(self) -> pl.DataFrame:
        """All answers to known users (ANSWER_COLUMNS), in the order in which they were written.

        Raises:
            ListensError: the file cannot be read.
        """
        with self._file.reading() as connection:
            rows = connection.execute(f"SELECT {', '.join(ANSWER_COLUMNS)} FROM answers ORDER BY row").fetchall()
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(ANSWER_COLUMNS)
        shown = [np.frombuffer(tracks, "<u4").tolist() for tracks in columns[-1]]
        return pl.DataFrame([*columns[:-1], shown], schema=ANSWER_COLUMNS, strict=False)

    def bundles(self) -> list[str]:
        """The versions of the bundles that answered known users, sorted. Raises as :meth:`frame`."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT DISTINCT bundle FROM answers ORDER BY bundle").fetchall()
        return [bundle for (bundle,) in rows]

    def anonymous(self) -> int:
        """How many answers went to callers who did not say who they are. Raises as :meth:`frame`."""
        with self._file.reading() as connection:
            (count,) = connection.execute("SELECT ifnull(sum(answers), 0) FROM anonymous").fetchone()
        return int(count)

    def version(self) -> tuple[int, int, int]:
        """Three numbers that are others when the content is: its last row, its rows, the answers that were only counted."""
        with self._file.reading() as connection:
            last, rows = connection.execute("SELECT ifnull(max(row), 0), count(*) FROM answers").fetchone()
        return int(last), int(rows), self.anonymous()

    def close(self) -> None:
        """Close all connections; one in use is closed when its thread has finished."""
        self._file.close()
