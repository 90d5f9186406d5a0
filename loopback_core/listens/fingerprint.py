"""The digest of a log's bytes: the version of `raw_listens`. Cached by size and modification time."""

import hashlib
import json
from pathlib import Path
from typing import Any

from loopback_core.errors import BadLogError
from loopback_core.listens.schema import RawLog


def digest_of_log(log: RawLog, cache: Path) -> str:
    """SHA-256 over all files of a log, in order, and its profiles.

    Paths do not count, so the same log in another place has the same digest. Suffixes do: they decide how bytes are
    read, and a log that was renamed from .tsv to .csv is another log.

    Raises:
        BadLogError: a file cannot be read, or changes while it is read.
    """
    parts = [("file", path) for path in log.files] + [("profiles", path) for path in [log.profiles] if path]
    lines = [f"{role} {path.suffix} {digest_of(path, cache)}\n" for role, path in parts]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of(path: Path, cache: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    `cache` is a JSON file that remembers digests by absolute path, size and mtime; several runs may share it.

    Raises:
        BadLogError: the file cannot be read, or changes while it is read.
    """
    key = str(path.absolute())
    try:
        stamp = _stamp(path)
        known = _read(cache).get(key, {})
        if known.get("stamp") == stamp:
            return str(known["sha256"])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        changed = _stamp(path) != stamp
    except OSError as error:
        raise BadLogError(f"{path} cannot be read ({error.strerror}); make it readable and run again.") from error
    if changed:
        raise BadLogError(f"{path} changed while it was read; run again when nothing writes to it any more.")
    _remember(cache, key, {"stamp": stamp, "sha256": digest})
    return digest


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _read(cache: Path) -> dict[str, Any]:
    try:
        digests = json.loads(cache.read_text("utf-8"))
    except (FileNotFoundError, ValueError):  # a damaged cache only costs the time to fill it again
        return {}
    return digests if isinstance(digests, dict) else {}


def _remember(cache: Path, key: str, entry: dict[str, Any]) -> None:
    from filelock import FileLock

    cache.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.with_name(f".{cache.name}.lock")):  # or two runs would each lose what the other wrote
        fresh = cache.with_name(f".{cache.name}.new")
        fresh.write_text(json.dumps(_read(cache) | {key: entry}, indent=1), "utf-8")
        fresh.replace(cache)
