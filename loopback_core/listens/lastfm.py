"""Last.fm-1K: on disk or downloaded, and verified."""

import hashlib
import io
import logging
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import DAMAGE, members
from loopback_core.listens.log_file import file_digest, open_log
from loopback_core.listens.log_paths import PROFILES, absolute, profiles_in, refuse_empty
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings

log = logging.getLogger("loopback")

ARCHIVE = "lastfm-dataset-1K.tar.gz"
FOLDER = "lastfm-dataset-1K"
EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"

EVENTS_MD5 = "64747b21563e3d2aa95751e0ddc46b68"
"""MD5 of the events of Last.fm-1K, as published with it."""


def lastfm_1k(settings: SourceSettings, home: Path, *, events_md5: str = EVENTS_MD5, first_wait: float = 1.0) -> RawLog:
    """Last.fm-1K from the download folder, unpacked or as the archive; downloaded when it is not there.

    The events are verified by their MD5, once for the same bytes. first_wait: seconds before a download that failed is
    tried again.

    Raises:
        BadLogError: what is on disk is not the published log.
        DownloadError: no mirror delivers it.
    """
    downloads = settings.download_folder
    folder = home / "downloads" if downloads is None else absolute(downloads, "download_folder")
    archive = folder.absolute() / ARCHIVE
    places = (archive.with_name(EVENTS), archive.parent / FOLDER / EVENTS, archive)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        from loopback_core.listens.download import download

        path = download(
            settings.mirrors,
            archive,
            defect_of=lambda part: _defect(part, archive, events_md5),
            first_wait=first_wait,
        )
    refuse_empty(path)
    if defect := _defect(path, path, events_md5):
        raise BadLogError(
            f"{path} is not the published lastfm-1k log: {defect}. Delete that file and it will be downloaded again, "
            "or put a good copy in its place; another log is used by setting LOOPBACK_SOURCE to its path."
        )
    return RawLog("lastfm-1k", (path,), archive if path == archive else profiles_in(path.parent))


def _defect(path: Path, stands_for: Path, events_md5: str) -> str | None:
    """What is wrong with an archive or events file of Last.fm-1K, or None.

    A pass is remembered by the digest of the bytes, in a hidden file next to `stands_for` (the name that `path` has or
    will get).
    """
    verified = f"{events_md5} {file_digest(path)}\n"
    passed = stands_for.with_name(f".{stands_for.name}.verified")
    with suppress(OSError, ValueError):
        if passed.read_text("utf-8") == verified:
            return None
    log.info("Verifying %s", stands_for.name)
    is_archive = stands_for.name == ARCHIVE
    try:
        with open_log(path) as file:
            md5 = _md5_of_files(file) if is_archive else {EVENTS: _md5(file)}
    except DAMAGE as error:
        return f"it is truncated or damaged ({error})"
    if is_archive and (missing := {EVENTS, PROFILES} - md5.keys()):
        return f"it holds no {' and no '.join(sorted(missing))}"
    if md5[EVENTS] != events_md5:
        return f"the MD5 of its events is {md5[EVENTS]} instead of {events_md5}"
    with suppress(OSError):  # in a folder that is read-only it is verified each time
        passed.write_text(verified, "utf-8")
    return None


def _md5_of_files(archive: BinaryIO) -> dict[str, str]:
    """MD5 of each regular file in a .tar.gz, by its name without folders."""
    return {Path(member.name).name: _md5(member.content) for member in members(archive) if member.content}


def _md5(file: IO[bytes]) -> str:
    readable = cast(io.BufferedReader, file)  # typeshed's protocol is stricter than what file_digest needs
    return hashlib.file_digest(readable, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
