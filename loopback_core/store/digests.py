"""Digests of content and of files."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Literal

import xxhash

Kind = Literal["sha256", "xxh3"]

SETTLED_NS = 100_000_000
"""A change time less than this ago does not tell one write from the next: file systems store times coarsely."""

_DIGESTS: dict[tuple[Any, ...], Future[str]] = {}


def digest(content: Mapping[str, Any]) -> str:
    """A short name for what `content` says, the same whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex; remembered as :func:`begin_digest` says."""
    return begin_digest(path, "sha256").result()


def file_state(path: Path) -> tuple[int, ...]:
    """What tells the content of a file from another without reading it: inode, size and times, the change time last."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def begin_digest(path: Path, kind: Kind) -> Future[str]:
    """The digest of a file's bytes, in hex, computed by another thread: hashing releases the GIL.

    sha256 names content. xxh3 (128 bits) verifies it in a quarter of the time: it finds damage, by a disk or by hand, and
    is no protection against somebody who forges files, who could write another manifest as well.

    What this process has digested is not read again while the file stays as it is: same inode, size and times. Every
    write moves the change time, which no program can set.
    """
    state = (kind, *(content := file_state(path)))
    earlier = _DIGESTS.get(state)
    if earlier and not (earlier.done() and earlier.exception()):
        return earlier
    begun = _pool().submit(_digest_of, path, kind)
    if time.time_ns() - content[-1] > SETTLED_NS:
        _DIGESTS[state] = begun
    return begun


def _digest_of(path: Path, kind: Kind) -> str:
    algorithm: Any = hashlib.sha256 if kind == "sha256" else xxhash.xxh3_128
    with path.open("rb", buffering=0) as file:
        return str(hashlib.file_digest(file, algorithm).hexdigest())


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), "digest")
