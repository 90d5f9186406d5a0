"""A file or a folder of files, watched for new listens."""

import hashlib
import os
import time
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any

from loopback_core.errors import BadLogError
from loopback_core.listens.log_file import reason, stamp
from loopback_core.listens.log_paths import absolute, files_in, ignored_because, must_be_log
from loopback_core.listens.watch.known_log import KnownLog
from loopback_core.listens.watch.row_counts import new_rows
from loopback_core.listens.watch.watched_source import NewRows, WatchedSource
from loopback_core.settings import SourceSettings
from loopback_core.store.digests import begin_digest, digest

EDGE_BYTES = 4096
WAIT_SECONDS_FOR_DIGESTS = 20.0
"""A tick of Dagster ends after 60 seconds. The digests go on, and are remembered for the next tick."""

SHOWN_REMARKS = 3


class WatchedFiles(WatchedSource):
    """The files of a log as they are now. What vanishes while they are listed is not there."""

    def __init__(self, source: SourceSettings) -> None:
        self._source = source
        self._log = absolute(source.name, "name")
        self.shown = str(self._log)
        paths = files_in(self._log) if self._log.is_dir() else [self._log]
        statuses = {path: _status(path) for path in paths if path == self._log or not ignored_because(path.name)}
        self._files = {path: status for path, status in statuses.items() if status}
        if self._log in statuses and not self._files:
            raise BadLogError(
                f"There is no file or folder {self._log}: correct LOOPBACK_SOURCE (source.name), or put it there."
            )

    @cached_property
    def state(self) -> str:
        """Of sizes, times and inodes: those of files that are written to, replaced or touched differ."""
        return digest({self._name(path): stamp(status) for path, status in self._files.items()})

    def new_since(self, known: KnownLog, enough: int) -> NewRows:
        """See :class:`WatchedSource`. A file that was only touched or moved has no new row: its digest tells."""
        rows, remarks = 0, []
        for path in self._changed(known):
            try:
                count, rewritten = new_rows(path, self._files[path].st_size, known, self._source, enough - rows)
            except OSError as error:
                raise BadLogError(
                    f"{path} cannot be read ({reason(error)}): it is tried again at the next look."
                ) from None
            except BadLogError:
                if path == self._log or must_be_log(path):
                    raise
                continue  # the ingest leaves it out too
            rows += count
            if count:
                remarks.append(f"{path.name}: {count:,}{' (it was replaced or rewritten)' * rewritten}")
            if rows >= enough:
                break
        more = [f"{len(remarks) - SHOWN_REMARKS:,} more files"] * (len(remarks) > SHOWN_REMARKS)
        return NewRows(rows, (*remarks[:SHOWN_REMARKS], *more))

    def content(self, known: KnownLog) -> Any:
        """The size, the beginning and the end of every file that was written to since `known`, and the sizes of all."""
        sizes = [(self._name(path), status.st_size) for path, status in self._files.items()]
        return sizes, [(self._name(path), _edges(path)) for path in self._files if self._touched(path, known)]

    def _changed(self, known: KnownLog) -> list[Path]:
        """The files whose bytes are not those of a file of `known`.

        Raises:
            BadLogError: they cannot be read, or not within seconds.
        """
        digests = {(file.bytes, file.sha256) for file in known.files.values()}
        sizes = {size for size, _ in digests}
        touched = [path for path in self._files if self._touched(path, known)]
        of_known_size = [path for path in touched if self._files[path].st_size in sizes]
        begun = {path: begin_digest(path, "sha256") for path in of_known_size if self._files[path].st_size}
        until = time.monotonic() + WAIT_SECONDS_FOR_DIGESTS
        same = {
            path
            for path, answer in begun.items()
            if (self._files[path].st_size, _sha256(path, answer, until)) in digests
        }
        return [path for path in touched if path not in same]

    def _touched(self, path: Path, known: KnownLog) -> bool:
        """Whether a file may be other than `known` says, by its size and times."""
        status, before = self._files[path], known.files.get(path)
        if max(status.st_mtime_ns, status.st_ctime_ns) >= known.read_at:
            return True
        return before.bytes != status.st_size if before else self._name(path) not in known.left_out

    def _name(self, path: Path) -> str:
        return path.name if path == self._log else path.relative_to(self._log).as_posix()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadLogError(f"{path} cannot be read ({reason(error)}): make it readable.") from None


def _sha256(path: Path, answer: "Future[str]", until: float) -> str:
    try:
        return answer.result(max(until - time.monotonic(), 0.0))
    except TimeoutError:
        raise BadLogError(
            f"{path} and what else was touched is still being digested: it is counted at a later look."
        ) from None
    except OSError as error:
        raise BadLogError(f"{path} cannot be read ({reason(error)}): make it readable.") from None


def _edges(path: Path) -> str:
    """A digest of the first and the last bytes of a file; "" when it is gone."""
    try:
        with path.open("rb") as file:
            start = file.read(EDGE_BYTES)
            file.seek(max(file.seek(0, os.SEEK_END) - EDGE_BYTES, 0))
            return hashlib.sha256(start + file.read()).hexdigest()
    except OSError:
        return ""
