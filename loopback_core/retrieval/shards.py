"""Ranges of ids that are worked on one by one, in several processes, and not again after a kill."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from loopback_core.errors import ArtifactError, RoomError
from loopback_core.store.atomic import replacing
from loopback_core.store.digests import begin_digest
from loopback_core.store.sealed_json import read_sealed, write_sealed

log = logging.getLogger("loopback")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Shard:
    """The tracks `start` to `stop` - 1 of a catalog."""

    number: int
    start: int
    stop: int


def shards_of(n: int, tracks: int) -> list[Shard]:
    """Ranges of `tracks` ids each, the last one shorter, that cover n tracks; one where there are none."""
    starts = range(0, max(1, n), tracks)
    return [Shard(number, start, min(n, start + tracks)) for number, start in enumerate(starts)]


def make_shards(
    make: Callable[[Shard, Path], None],
    shards: Sequence[Shard],
    folder: Path,
    what: str,
    processes: int,
    made_from: str = "",
) -> list[Path]:
    """Call `make(shard, path)` for every shard that has no file in the folder yet; returns the files, in order.

    A file appears when it is whole, and its seal after it: one that was damaged since, or holds another range of ids, or was
    made from something else than `made_from` says, is made again. With several processes `make` and what it holds are pickled, and each process uses its
    part of the cores.

    Raises:
        RoomError: a process was ended from outside, as the system does where memory is short.
    """
    paths = [folder / f"{what}-{shard.number:05d}-of-{len(shards):05d}" for shard in shards]
    missing = [
        (shard, path) for shard, path in zip(shards, paths, strict=True) if not _is_complete(shard, path, made_from)
    ]
    work, processes = partial(_make_whole, make, made_from), min(processes, len(missing))
    if processes <= 1:
        for shard, path in missing:
            work(shard, path)
        return paths
    threads = max(1, (os.cpu_count() or 1) // processes)
    try:
        with ProcessPoolExecutor(processes, get_context("spawn"), _limit_threads, (threads,)) as pool:
            for done in [pool.submit(work, shard, path) for shard, path in missing]:
                done.result()
    except BrokenProcessPool:
        raise RoomError(
            f"A process that made {what} of a shard was ended, perhaps because memory ran out: lower index.shards.processes or "
            "index.shards.tracks. Shards that are complete are kept."
        ) from None
    return paths


def remove_shards(files: Sequence[Path]) -> None:
    """Remove files of shards that were read, with their seals."""
    for file in files:
        _seal(file).unlink()
        file.unlink()


def _make_whole(make: Callable[[Shard, Path], None], made_from: str, shard: Shard, path: Path) -> None:
    _seal(path).unlink(missing_ok=True)
    with replacing(path) as new:
        make(shard, new)
    write_sealed(_seal(path), _facts(shard, path, made_from))


def _is_complete(shard: Shard, path: Path, made_from: str) -> bool:
    if not path.exists() or not _seal(path).exists():
        return False
    try:
        if read_sealed(_seal(path)) == _facts(shard, path, made_from):
            return True
        log.warning("%s is not the shard that is wanted: it is made again", path)
    except (OSError, ArtifactError) as error:
        log.warning("%s: it is made again", error)
    return False


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _facts(shard: Shard, path: Path, made_from: str) -> dict[str, Any]:
    return {**asdict(shard), "xxh3": begin_digest(path, "xxh3").result(), "made_from": made_from}


def _limit_threads(threads: int) -> None:
    """Before the process loads a library that reads them."""
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
