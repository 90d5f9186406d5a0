"""The paths of a log: which files can be one, and which lie in a folder."""

from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.log_file import LogFile, reason

PROFILES = "userid-profile.tsv"

KIND_OF_SUFFIX = {
    ".tsv": "tsv",
    ".tsv.gz": "tsv.gz",
    ".tar.gz": "tar.gz",
    ".csv": "csv",
    ".parquet": "parquet",
}
ACCEPTED = "a .tsv, .tsv.gz, .tar.gz, .csv or .parquet file, or a folder of files of one such kind"

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


def kind_of(path: Path) -> str:
    """The kind of a file by its suffix; "" when it is not one of the accepted."""
    return next((kind for suffix, kind in KIND_OF_SUFFIX.items() if path.name.endswith(suffix)), "")


def files_in(folder: Path) -> tuple[Path, ...]:
    """What may be a log among the files of a folder: all but the profiles, hidden files, README and LICENSE.

    Raises:
        BadLogError: the folder cannot be read, or holds no such file.
    """
    ignored = ("README", "LICENSE", "manifest.json", PROFILES, ".", "_")
    try:
        files = tuple(sorted(path for path in folder.iterdir() if not path.name.startswith(ignored)))
    except OSError as error:
        raise BadLogError(f"{folder} cannot be read ({reason(error)}): make it readable and run again.") from None
    if not files:
        raise BadLogError(f"The folder {folder} holds no log: it must hold .tsv, .tsv.gz, .tar.gz, .csv or .parquet.")
    return files


def refuse_useless(path: Path) -> None:
    """Raise unless a path is that of a regular file of an accepted kind that can be read and is not empty.

    Raises:
        BadLogError: it is not; the message says why.
    """
    refuse_other_encoding(path)
    if path.name == PROFILES:
        raise BadLogError(f"{path} holds the profiles of the users, not their listens: give the log next to it.")
    if path.is_dir() or not kind_of(path):
        raise BadLogError(f"{path} is not a log: accepted is {ACCEPTED}. Give another path, or move it elsewhere.")
    with LogFile(path) as file:
        if not file.read(1):
            raise BadLogError(f"{path} is empty: give a log with listens in it, or move it elsewhere.")


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
