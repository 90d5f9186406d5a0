"""`LATEST`: the file next to the versions of an asset that names the newest one."""

import re
from pathlib import Path

from loopback_core.errors import ArtifactError
from loopback_core.store.artifact import BUILD_EVERYTHING
from loopback_core.store.atomic import write_text

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

LONGEST_VERSION = 100
"""Characters: a name that the file system takes."""


def is_version(text: str) -> bool:
    """Whether a text may name a version: it is one name, and no path that leads elsewhere."""
    return VERSION.fullmatch(text) is not None and len(text) <= LONGEST_VERSION


def versions_of(home: Path, asset: str) -> list[str]:
    """Names of the version folders of an asset, whole or not."""
    try:
        return sorted(path.name for path in (home / asset).iterdir() if path.is_dir())
    except OSError:
        return []


def latest_version(home: Path, asset: str) -> str:
    """The version that `LATEST` names. Without it and with one version, a run was killed before it was written.

    Raises:
        ArtifactError: there is no version, or `LATEST` is missing, damaged, or names one that is not there.
    """
    pointer, versions = _pointer(home, asset), versions_of(home, asset)
    repair = f"build it again: {BUILD_EVERYTHING}"
    if not versions:
        raise ArtifactError(f"There is no {asset} in {home}; build it first: {BUILD_EVERYTHING}")
    try:
        version = pointer.read_text("utf-8").strip()
    except FileNotFoundError:
        if len(versions) == 1:
            return versions[0]
        raise ArtifactError(f"{pointer} is missing; {repair}") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{pointer} cannot be read ({type(error).__name__}: {error}); {repair}") from None
    if not is_version(version) or version not in versions:
        raise ArtifactError(f"{pointer} names a version of {asset} that is not there; {repair}")
    return version


def points_to(home: Path, asset: str, version: str) -> bool:
    """Whether `LATEST` names this version already."""
    try:
        return _pointer(home, asset).read_text("utf-8") == version + "\n"
    except (OSError, ValueError):
        return False


def write_latest(home: Path, asset: str, version: str) -> None:
    """Let `LATEST` name this version, atomically."""
    write_text(_pointer(home, asset), version + "\n")


def _pointer(home: Path, asset: str) -> Path:
    return home / asset / "LATEST"
