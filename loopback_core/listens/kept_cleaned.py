"""What was cleaned of the files of a log, kept for later runs: a new file is cleaned by itself, the others are not read again.

A cleaned file is found again by the digest of the file's bytes, of what decides how it is read, and of the code that reads it. Only
those of the last run are kept: what was cleaned before a user was erased goes.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from loopback_core.errors import ArtifactError
from loopback_core.listens.cleaned_file import CleanedFacts, CleanedFile
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings
from loopback_core.store.digests import begin_digest, digest, file_sha256
from loopback_core.store.disk_errors import remove
from loopback_core.store.sealed_json import read_sealed, write_sealed
from loopback_core.store.source_code import code_digest

log = logging.getLogger("loopback")

SETTINGS_OF_ROWS = ("columns", "user", "time_format", "time_zone", "least_seconds_played", "earliest")
"""Those of [source] that decide what a row becomes, but for the latest moment: see :meth:`CleanedFacts.holds_until`."""

FACTS = "facts.json"


class KeptCleaned:
    """The cleaned files in a folder that outlives a run; made by :func:`keeping`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()
        self.reused = 0

    def load_or_make(self, key: str, latest: datetime, make: Callable[[Path], CleanedFile]) -> tuple[CleanedFile, bool]:
        """What is kept under a key, if it holds for this latest moment, else what `make` writes; and whether it was kept."""
        copies = sum(used.partition(".")[0] == key for used in self._used)
        name = f"{key}.{copies}"  # a log may hold the same file twice
        place = self._folder / name
        self._used.add(name)
        if (kept := _read(place)) is not None and kept.facts.holds_until(latest):
            self.reused += 1
            return kept, True
        remove(place)
        making = self._folder / f".{name}-{uuid4().hex}"
        made = make(making)
        files = {path: begin_digest(path, "xxh3") for path in making.iterdir()}
        content = {"facts": asdict(made.facts), "files": {path.name: of.result() for path, of in files.items()}}
        write_sealed(making / FACTS, content)
        making.rename(place)
        return CleanedFile(place, made.facts), False

    def remove_half_written(self) -> None:
        """Remove what no run finished: a log that fails every day must not fill the disk."""
        for path in self._folder.glob(".*"):
            remove(path)

    def remove_unused(self) -> None:
        """Remove what this run did not use."""
        for path in self._folder.iterdir():
            if path.name not in self._used and path.is_dir():
                remove(path)


@contextmanager
def keeping(folder: Path | None) -> Iterator[KeptCleaned | None]:
    """The cleaned files kept in a folder, for one run at a time: None while another one uses them, or without a folder."""
    if folder is None:
        yield None
        return
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("Another run uses the cleaned files in %s: all files are cleaned.", folder)
        yield None
        return
    try:
        kept = KeptCleaned(folder)
        kept.remove_half_written()  # of runs that were killed
        try:
            yield kept
        finally:
            kept.remove_half_written()  # of a file that could not be read
        kept.remove_unused()
    finally:
        lock.release()


def key_of_file(raw: RawLog, path: Path, source: SourceSettings) -> str | None:
    """What a cleaned file is kept under; None where its bytes are not known, or are new in every run: what was served."""
    sha256 = raw.sha256.get(path)
    if sha256 is None or path == raw.served:
        return None
    decides: dict[str, Any] = {
        "sha256": sha256,
        "name": path.name,  # it can promise a layout, and name the user
        "user": raw.users.get(path),
        "erased": file_sha256(raw.erased) if raw.erased else None,
        "source": source.model_dump(mode="json", include=set(SETTINGS_OF_ROWS)),
        "code": code_digest("listens.cleaned_file"),
    }
    return digest(decides)


def _read(place: Path) -> CleanedFile | None:
    """What is kept there; None when there is nothing, or it is damaged."""
    if not place.exists():
        return None
    try:
        content = read_sealed(place / FACTS)
        names = {path.name for path in place.iterdir()} - {FACTS}
        if names != content["files"].keys():
            raise ArtifactError(f"{place} does not hold the files that were stored")
        digests = {name: begin_digest(place / name, "xxh3") for name in names}
        for name, stored in content["files"].items():
            if digests[name].result() != stored:
                raise ArtifactError(f"{place / name} has other bytes than were stored")
    except (OSError, ArtifactError) as error:
        log.warning("%s: the file is cleaned again", error)
        return None
    facts = content["facts"]
    return CleanedFile(place, CleanedFacts(**{**facts, "advice": tuple(facts["advice"])}))
