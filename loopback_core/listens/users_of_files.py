"""Whose listens a file holds that does not say it: as the setting `source.user` says, or as the files are named."""

import re
from pathlib import Path, PurePosixPath

from loopback_core.listens.containers import ARCHIVES
from loopback_core.listens.survey import Survey
from loopback_core.settings import SourceSettings

FROM_FILE = "file"
OF_EXPORTS = re.compile(r"listens|(?:19|20)\d\d")
"""Sub-folders that ListenBrainz makes: they name nobody."""

PACKED = (".gz", ".tgz", ".zip", ".tar")


def user_of(path: Path, log: Path, surveyed: Survey, source: SourceSettings) -> str | None:
    """Who listened to all that a file holds; None: its rows say it, or the members of an archive are named after users.

    log: the file or the folder that was given. A sub-folder names the user of all its files. Where the history of one person
    comes as several files with names that the service gave them, the folder that was given does. An archive of these is one history, unless
    all of it lies in several sub-folders: then each is that of a user.
    """
    if surveyed.names_users:
        return None
    if source.user is not None and source.user != FROM_FILE:
        return source.user
    parts = path.relative_to(log).parts if path != log else ()
    inside = [part for part in parts if not OF_EXPORTS.fullmatch(part)]
    if len(inside) > 1:
        return inside[0]
    if len(surveyed.chosen) > 1 and (not _several_files(surveyed) or _has_folders_of_users(surveyed)):
        return None
    part_of_folder = inside and surveyed.container not in ARCHIVES and _several_files(surveyed)
    return log.name if part_of_folder and _names_nobody(path.name, surveyed) else bare_name(path.name)


def user_of_member(name: str, common_folders: int) -> str:
    """Whose listens a member of an archive holds: as in a folder, below the folders that all members have in common."""
    parts = [part for part in PurePosixPath(name).parts[common_folders:] if part not in ("/", "..")]
    inside = [part for part in parts if not OF_EXPORTS.fullmatch(part)]
    return inside[0] if len(inside) > 1 else bare_name(name)


def bare_name(name: str) -> str:
    """The name of a file or a member without folders and suffixes."""
    path = Path(name)
    while path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return path.stem.lstrip(".") or path.stem


def _has_folders_of_users(surveyed: Survey) -> bool:
    return len(surveyed.folders) > 1 and not any(name == "" or OF_EXPORTS.fullmatch(name) for name in surveyed.folders)


def _several_files(surveyed: Survey) -> bool:
    return surveyed.layout is not None and surveyed.layout.several_files


def _names_nobody(name: str, surveyed: Survey) -> bool:
    return surveyed.layout is not None and surveyed.layout.own_names.match(name) is not None
