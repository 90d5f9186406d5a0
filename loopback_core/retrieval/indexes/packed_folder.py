"""A folder of an engine as one file, so that an index is a file whatever its engine keeps.

Engines write into their folder when they only open it: logs, locks, versions. An artifact must not change, and its files are
shared with bundles. So an index is opened in a private copy, which lives as long as the object that holds it.
"""

import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from loopback_core.errors import ArtifactError
from loopback_core.store.atomic import replacing


def pack_folder(folder: Path, path: Path) -> None:
    """Write all that is in a folder into a file, without times and owners: the same content gives the same bytes."""
    with replacing(path) as new, tarfile.open(new, "w") as packed:
        for entry in sorted(folder.rglob("*")):
            packed.add(entry, entry.relative_to(folder).as_posix(), recursive=False, filter=_without_circumstances)


def unpack_folder(path: Path) -> TemporaryDirectory[str]:
    """A copy in a new temporary folder, which is removed when the returned object is.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    folder = TemporaryDirectory(prefix="loopback-index-")
    try:
        with tarfile.open(path, "r") as packed:
            packed.extractall(folder.name, filter="data")
            if not packed.getmembers():
                raise tarfile.TarError("it is empty")
    except (OSError, EOFError, tarfile.TarError) as error:
        folder.cleanup()
        raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
    return folder


def _without_circumstances(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry
