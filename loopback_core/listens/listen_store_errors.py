"""Errors of SQLite as sentences, where listens and answers are kept."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopback_core.errors import ListensError
from loopback_core.store.disk_errors import is_disk_full

WAIT_SECONDS = 10.0
"""How long a write waits for that of another process."""

BACKUP = "put a backup in its place; without one, move it elsewhere, and erase again the users who were erased"


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Around what reads or writes a file of listens or answers.

    Raises:
        ListensError: SQLite or the file system refused.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise ListensError(_sentence(path, error)) from error
    except OSError as error:
        raise ListensError(_sentence(path, error)) from error


def not_ours(path: Path) -> ListensError:
    """The sentence about a file that something else has written."""
    return ListensError(f"{path} is not a file of listens or answers that loopback has written: {BACKUP}.")


def _sentence(path: Path, error: sqlite3.Error | OSError) -> str:
    name = str(getattr(error, "sqlite_errorname", ""))
    reason = getattr(error, "strerror", None) or error
    if name.startswith("SQLITE_FULL") or is_disk_full(error, path.parent):
        return (
            f"The disk of {path.parent} is full: nothing of this was stored, what was there is unchanged. Free some "
            "space and send it again."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or isinstance(error, TimeoutError):
        return (
            f"{path} was locked by another program for {WAIT_SECONDS:.0f} seconds: nothing of this was stored. End what "
            "holds it, such as a shell of sqlite3, and send it again."
        )
    if name.startswith("SQLITE_NOTADB"):
        return str(not_ours(path))
    if name.startswith("SQLITE_CORRUPT"):
        return damaged(path, str(reason))
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")) or not name:
        return (
            f"{path} cannot be opened or written to ({reason}): make it and its folder writable, or point LOOPBACK_HOME at "
            "another folder."
        )
    return f"{path} could not be read or written ({reason}; {name}): nothing of this was stored. Check the disk and send it again."


def damaged(path: Path, reason: str) -> str:
    """The sentence about a file that is not what was written."""
    return f"{path} is damaged ({reason}): stop the service, then {BACKUP}."
