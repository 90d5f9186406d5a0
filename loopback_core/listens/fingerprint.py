"""The digest of a log's bytes: the version of `raw_listens`. Read from the files each time, never remembered."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from loopback_core.listens.log_file import file_digest
from loopback_core.listens.schema import RawLog


def file_digests(log: RawLog) -> dict[Path, str]:
    """SHA-256 in hex of every file of a log, and of its profiles; each is read once.

    Raises:
        BadLogError: a file cannot be read, or changes while it is read.
    """
    return {path: file_digest(path) for path in dict.fromkeys(path for _, path in _parts(log))}


def log_digest(log: RawLog, sha256: Mapping[Path, str]) -> str:
    """SHA-256 over all files of a log, in order, and its profiles, from their digests.

    Paths do not count, so the same log in another place has the same digest. Suffixes do: they decide how bytes are
    read, and a log that was renamed from .tsv to .csv is another log. So do the users who are named after files.
    """
    lines = [f"{role} {path.suffix} {sha256[path]}{_user(log, path)}\n" for role, path in _parts(log)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _user(log: RawLog, path: Path) -> str:
    return f" {log.users[path]!r}" if path in log.users else ""


def _parts(log: RawLog) -> list[tuple[str, Path]]:
    return [("file", path) for path in log.files] + [("profiles", path) for path in [log.profiles] if path]
