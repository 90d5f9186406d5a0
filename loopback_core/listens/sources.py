"""Which listening log is meant, and where its files lie."""

import gzip
import hashlib
import logging
import tarfile
import zlib
from contextlib import suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import cast

from loopback_core.errors import BadLogError
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings

log = logging.getLogger("loopback")

ARCHIVE = "lastfm-dataset-1K.tar.gz"
FOLDER = "lastfm-dataset-1K"
EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"
PROFILES = "userid-profile.tsv"

EVENTS_MD5 = "64747b21563e3d2aa95751e0ddc46b68"
"""MD5 of the events of Last.fm-1K, as published with it."""

KIND_OF_SUFFIX = {
    ".tsv": "tsv",
    ".tsv.gz": "tsv.gz",
    ".tar.gz": "tar.gz",
    ".csv": "csv",
    ".parquet": "parquet",
}
ACCEPTED = "a .tsv, .tsv.gz, .tar.gz, .csv or .parquet file, or a folder of files of one such kind"


def find_log(settings: SourceSettings, home: Path, *, events_md5: str = EVENTS_MD5) -> RawLog:
    """The log that `settings.name` means, when it is not the generated one: 'lastfm-1k' or a path.

    home: the artifact store; it holds downloads.

    Raises:
        BadLogError: there is no such log, or its files cannot be used as they are.
        DownloadError: lastfm-1k is not on disk and no mirror delivers it.
    """
    if settings.name == "lastfm-1k":
        return lastfm_1k(settings, home, events_md5=events_md5)
    return _log_at(settings.name)


def lastfm_1k(settings: SourceSettings, home: Path, *, events_md5: str = EVENTS_MD5, first_wait: float = 1.0) -> RawLog:
    """Last.fm-1K from the download folder, unpacked or as the archive; downloaded when it is not there.

    The events are verified by their MD5 once for each version of the file. first_wait: seconds before a download that
    failed is tried again.
    """
    folder = _absolute(settings.download_folder) if settings.download_folder else home.absolute() / "downloads"
    archive = folder / ARCHIVE
    found = next((path for path in (folder / EVENTS, folder / FOLDER / EVENTS, archive) if path.is_file()), None)
    if found is None:
        from loopback_core.listens.download import download

        found = download(
            settings.mirrors,
            archive,
            defect_of=lambda part: _defect(part, archive, events_md5),
            first_wait=first_wait,
        )
    _check(found)
    if defect := _defect(found, found, events_md5):
        raise BadLogError(
            f"{found} is not the published lastfm-1k log: {defect}. Delete that file and it will be downloaded again, "
            "or put a good copy in its place; another log is used by setting LOOPBACK_SOURCE to its path."
        )
    beside = found.with_name(PROFILES)
    profiles = archive if found == archive else beside if beside.is_file() else None
    return RawLog("lastfm-1k", (found,), profiles)


def _defect(path: Path, stands_for: Path, events_md5: str) -> str | None:
    """What is wrong with an archive or events file of Last.fm-1K, or None.

    A pass is remembered in a hidden file beside `stands_for` (the name that `path` has or will get).
    """
    stat = path.stat()
    stamp = f"{events_md5} {stat.st_size} {stat.st_mtime_ns}\n"
    passed = stands_for.with_name(f".{stands_for.name}.verified")
    if passed.is_file() and passed.read_text("utf-8") == stamp:
        return None
    log.info("Verifying %s", stands_for.name)
    try:
        if stands_for.name == ARCHIVE:
            members = _md5_of_members(path)
            if missing := {EVENTS, PROFILES} - members.keys():
                return f"it holds no {' and no '.join(sorted(missing))}"
            md5 = members[EVENTS]
        else:
            with path.open("rb") as file:
                md5 = _md5(file)
    except _DAMAGE as error:
        return f"it is truncated or damaged ({error})"
    if md5 != events_md5:
        return f"the MD5 of its events is {md5} instead of {events_md5}"
    with suppress(OSError):  # in a folder that is read-only it is verified each time
        passed.write_text(stamp, "utf-8")
    return None


_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)


def _md5_of_members(archive: Path) -> dict[str, str]:
    """MD5 of each file in a .tar.gz, by its name without folders.

    Reads to the last byte: tarfile alone takes a damaged header for the end, and only gzip's checksum tells.
    """
    with gzip.open(archive) as unzipped:
        with tarfile.open(fileobj=unzipped, mode="r:") as tar:
            files = ((member.name, tar.extractfile(member)) for member in tar)
            members = {Path(name).name: _md5(cast(BufferedReader, file)) for name, file in files if file}
        while unzipped.read(1 << 20):
            pass
    return members


def _md5(file: BufferedReader) -> str:
    return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _log_at(name: str) -> RawLog:
    """The log at a path: one file, or a folder of files of one kind in the order of their names."""
    path = _absolute(name)
    if not name.strip() or not path.exists():
        raise BadLogError(
            f"There is no file or folder {path}: set LOOPBACK_SOURCE (source.name, now {name!r}) to 'sample', "
            f"'lastfm-1k', or the path of {ACCEPTED}."
        )
    folder = path if path.is_dir() else path.parent
    files = _files_in(folder) if path.is_dir() else (path,)
    for file in files:
        _check(file)
    kinds = {_kind(file) for file in files}
    if len(kinds) > 1:
        examples = " and ".join(next(file.name for file in files if _kind(file) == kind) for kind in sorted(kinds))
        raise BadLogError(
            f"The folder {path} holds files of several kinds ({examples}): leave one kind in it, so that no listen "
            "is read twice."
        )
    beside = folder / PROFILES
    holders = [file for file in files if kinds == {"tar.gz"} and _holds_profiles(file)]
    profiles = holders[0] if holders else beside if beside.is_file() else None
    return RawLog(path.name, files, profiles)


def _files_in(folder: Path) -> tuple[Path, ...]:
    """What may be a log among the files of a folder: all but the profiles, hidden files and words about the data."""
    ignored = ("README", "LICENSE", "manifest.json", PROFILES, ".", "_")
    try:
        files = tuple(sorted(path for path in folder.iterdir() if not path.name.startswith(ignored)))
    except OSError as error:
        raise BadLogError(f"{folder} cannot be read ({error.strerror}): make it readable and run again.") from error
    if not files:
        raise BadLogError(f"The folder {folder} holds no log: it must hold .tsv, .tsv.gz, .tar.gz, .csv or .parquet.")
    return files


def _kind(path: Path) -> str:
    """The kind of a file by its suffix; "" when it is none that is accepted."""
    return next((kind for suffix, kind in KIND_OF_SUFFIX.items() if path.name.endswith(suffix)), "")


def _check(path: Path) -> None:
    """A log file is a file of an accepted kind that can be read and is not empty."""
    if path.name == PROFILES:
        raise BadLogError(f"{path} holds the profiles of the users, not their listens: give the log beside it.")
    if not path.is_file() or not _kind(path):
        raise BadLogError(f"{path} is no log: accepted is {ACCEPTED}. Give another path, or move it elsewhere.")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise BadLogError(f"{path} cannot be read ({error.strerror}): make it readable and run again.") from error
    if empty:
        raise BadLogError(f"{path} is empty: give a log with listens in it, or move it elsewhere.")


def _holds_profiles(archive: Path) -> bool:
    try:
        members = _md5_of_members(archive).keys()
    except _DAMAGE as error:
        raise BadLogError(f"{archive} is truncated or damaged ({error}): get it again.") from error
    if not any(name.endswith(".tsv") and name != PROFILES and name[0] != "." for name in members):
        raise BadLogError(f"{archive} holds no .tsv with listens: give an archive in the layout of Last.fm-1K.")
    return PROFILES in members


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:  # ~somebody who is unknown here
        raise BadLogError(f"{path} cannot be found ({error}): give the path of {ACCEPTED}.") from None
