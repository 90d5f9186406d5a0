"""The listening log that `source.name` means, and the paths of its files."""

import logging
from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.lastfm import EVENTS_MD5, lastfm_1k
from loopback_core.listens.log_paths import (
    ACCEPTED,
    PROFILES,
    absolute,
    files_in,
    ignored_because,
    must_be_log,
    profiles_in,
    refuse_other_encoding,
)
from loopback_core.listens.schema import RawLog
from loopback_core.listens.survey import Survey, survey
from loopback_core.listens.users_of_files import user_of
from loopback_core.settings import SourceSettings

SHOWN_LEFT_OUT = 10

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
    return _log_at(settings.name, settings)


def _log_at(name: str, settings: SourceSettings) -> RawLog:
    """The log at a path: one file, or the files of a folder and its sub-folders in the order of their names."""
    path = absolute(name, "name")
    if path.is_symlink() and not path.exists():
        raise BadLogError(f"{path} is a link that leads nowhere: correct the link, or give another path.")
    if not path.exists():
        raise BadLogError(
            f"There is no file or folder {path}: set LOOPBACK_SOURCE (source.name, now {name!r}) to 'sample', "
            f"'lastfm-1k', or the path of {ACCEPTED}."
        )
    if path.name == PROFILES:
        raise BadLogError(f"{path} holds the profiles of the users, not their listens: give the log next to it.")
    folder = path if path.is_dir() else path.parent
    surveys, left_out = _surveys_in(folder, settings) if path.is_dir() else ({path: survey(path, settings)}, {})
    _refuse_several_kinds(folder, surveys)
    left_out |= {other.name: other.reason for surveyed in surveys.values() for other in surveyed.left_out}
    if left_out:
        shown = [f"{name} ({why})" for name, why in list(left_out.items())[:SHOWN_LEFT_OUT]]
        log.warning("%s: not read: %s%s", path, ", ".join(shown), ", ..." * (len(left_out) > SHOWN_LEFT_OUT))
    with_profiles = [file for file, surveyed in surveys.items() if surveyed.has_profiles]
    users = {file: user_of(file, path, surveyed, settings) for file, surveyed in surveys.items()}
    return RawLog(
        path.name,
        tuple(surveys),
        with_profiles[0] if with_profiles else profiles_in(folder),
        users={file: user for file, user in users.items() if user is not None},
        left_out=left_out,
    )


def _surveys_in(folder: Path, settings: SourceSettings) -> tuple[dict[Path, Survey], dict[str, str]]:
    """What may be a log in a folder, and what is left out of it with the reason.

    Raises:
        BadLogError: there is no log in it, or a file that must be one cannot be read.
    """
    surveys: dict[Path, Survey] = {}
    left_out: dict[str, str] = {}
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        if why := ignored_because(path.name):
            if path != folder / PROFILES:  # these are read
                left_out[name] = why
            continue
        refuse_other_encoding(path)
        try:
            surveys[path] = survey(path, settings)
        except BadLogError as error:
            if must_be_log(path):
                raise
            left_out[name] = str(error)
    if not surveys:
        raise BadLogError(f"The folder {folder} holds no log{_first_of(left_out)}: put {ACCEPTED} into it.")
    return surveys, left_out


def _first_of(left_out: dict[str, str]) -> str:
    return next((f", but {name} ({why})" for name, why in left_out.items()), "")


def _refuse_several_kinds(folder: Path, surveys: dict[Path, Survey]) -> None:
    kinds = {(surveyed.layout_name, surveyed.container): file for file, surveyed in reversed(surveys.items())}
    if len(kinds) > 1:
        examples = " and ".join(sorted(file.name for file in kinds.values()))
        raise BadLogError(
            f"The folder {folder} holds files of several kinds ({examples}): leave one kind in it, so that no listen "
            "is read twice."
        )
