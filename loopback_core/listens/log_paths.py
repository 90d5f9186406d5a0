"""The paths of a log: which files can be one, and which lie in a folder."""

import os
from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.log_file import LogFile, reason

PROFILES = "userid-profile.tsv"
PLAYER_LOG = ".scrobbler.log"
"""The log of a portable player: the only hidden file that is read."""

ABOUT_LOGS = ("manifest.json", "feedback.jsonl", "pinned_recording.jsonl")
"""Of our own artifacts, and of the export of ListenBrainz."""

ACCEPTED = (
    "a .tsv, .csv, .json, .jsonl, .log, .xlsx or .parquet file, packed as .gz, .zip or .tar.gz or not, or a folder of files of one "
    "such kind"
)
MUST_BE_LOGS = (".tsv", ".csv", ".parquet", ".gz", ".tgz", ".zip")
"""A file of a folder with such a name is never passed over: what is wrong with it is an error."""

MOST_FILES = 1 << 16

SHOWN_CHARACTERS = 100


def absolute(path: str, setting: str) -> Path:
    """The absolute path that a setting of [source] means; there may be nothing at it.

    Raises:
        BadLogError: no file can have this path.
    """
    shown = f"source.{setting} = {path[:SHOWN_CHARACTERS]!r}{'...' * (len(path) > SHOWN_CHARACTERS)}"
    if not path.strip():
        raise BadLogError(f"{shown} is empty: give the path of {ACCEPTED}.")
    try:
        place = Path(path).expanduser().absolute()
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (RuntimeError, OSError, ValueError) as error:  # a user unknown here; too long, a loop of links; a NUL
        raise BadLogError(f"{shown} cannot be found ({reason(error)}): give the path of {ACCEPTED}.") from None
    refuse_other_encoding(place)
    return place


def refuse_other_encoding(path: Path) -> None:
    """Raise unless a path is UTF-8: manifests and settings files are, and could not name it.

    Raises:
        BadLogError: it is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BadLogError(f"The path {str(path)!r} is not UTF-8: rename the file or the folder.") from None


def ignored_because(name: str) -> str:
    """Why a file of that name is no log, whatever is in it; "": it may be one."""
    if name.startswith(".") and name.lower() != PLAYER_LOG:
        return "hidden"
    if name == PROFILES:
        return "the profiles of the users"
    if name.upper().startswith(("README", "LICENSE")) or name in ABOUT_LOGS:
        return "about the log"
    if name.lower().endswith(".toml"):
        return "settings"
    return ""


def must_be_log(path: Path) -> bool:
    """Whether a file of a folder is an error where it cannot be read as a log."""
    return path.name.lower().endswith(MUST_BE_LOGS)


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and in its sub-folders, in the order of their paths. Links to folders are not followed.

    Raises:
        BadLogError: a folder cannot be read, or holds too many files.
    """
    found: list[Path] = []
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            for entry in os.scandir(here):
                (folders if entry.is_dir(follow_symlinks=False) else found).append(here / entry.name)
        except OSError as error:
            raise BadLogError(f"{here} cannot be read ({reason(error)}): make it readable and run again.") from None
        folders = [place for place in folders if not place.name.startswith(".")]
        if len(found) > MOST_FILES:
            raise BadLogError(
                f"The folder {folder} has more than {MOST_FILES:,} files: give a folder that holds only the log."
            )
    return sorted(found)


def empty(path: Path) -> BadLogError:
    """What to raise when a file has no byte."""
    return BadLogError(f"{path} is empty: give a log with listens in it, or move it elsewhere.")


def refuse_empty(path: Path) -> None:
    """Raise unless a path is that of a regular file that can be read and is not empty.

    Raises:
        BadLogError: it is not.
    """
    with LogFile(path) as file:
        if not file.read(1):
            raise empty(path)


def profiles_in(folder: Path) -> Path | None:
    """The profiles that lie in the folder of a log, or None.

    Raises:
        BadLogError: something else has their name.
    """
    profiles = folder / PROFILES
    if not profiles.exists() and not profiles.is_symlink():
        return None
    LogFile(profiles).close()
    return profiles
