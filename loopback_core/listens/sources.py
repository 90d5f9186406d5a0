"""The listening log that `source.name` means, and the paths of its files."""

import logging
from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import DAMAGE, listing, members
from loopback_core.listens.lastfm import EVENTS_MD5, lastfm_1k
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_paths import ACCEPTED, PROFILES, absolute, files_in, kind_of, profiles_in, refuse_useless
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings

log = logging.getLogger("loopback")


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


def _log_at(name: str) -> RawLog:
    """The log at a path: one file, or a folder of files of one kind in the order of their names."""
    path = absolute(name, "name")
    if not path.exists():
        raise BadLogError(
            f"There is no file or folder {path}: set LOOPBACK_SOURCE (source.name, now {name!r}) to 'sample', "
            f"'lastfm-1k', or the path of {ACCEPTED}."
        )
    folder = path if path.is_dir() else path.parent
    files = files_in(folder) if path.is_dir() else (path,)
    for file in files:
        refuse_useless(file)
    kinds = {kind_of(file) for file in files}
    if len(kinds) > 1:
        examples = " and ".join(next(file.name for file in files if kind_of(file) == kind) for kind in sorted(kinds))
        raise BadLogError(
            f"The folder {path} holds files of several kinds ({examples}): leave one kind in it, so that no listen "
            "is read twice."
        )
    with_profiles = [file for file in files if kinds == {"tar.gz"} and _holds_profiles(file)]
    return RawLog(path.name, files, with_profiles[0] if with_profiles else profiles_in(folder))


def _holds_profiles(archive: Path) -> bool:
    """Whether an archive of listens holds profiles. Entries that are not read are named in the log of the run.

    Raises:
        BadLogError: it is damaged, or holds no listens.
    """
    try:
        with open_log(archive) as file:
            entries = list(members(file))
    except DAMAGE as error:
        raise BadLogError(f"{archive} is truncated or damaged ({error}): get it again.") from None
    if others := [member for member in entries if member.content is None]:
        log.warning("%s: not read, since only regular files are: %s", archive, listing(others))
    names = [Path(member.name).name for member in entries if member.content]
    if not any(name.endswith(".tsv") and name != PROFILES and name[0] != "." for name in names):
        raise BadLogError(
            f"{archive} holds no .tsv with listens, but {listing(entries)}: give an archive in the layout of Last.fm-1K."
        )
    return PROFILES in names
