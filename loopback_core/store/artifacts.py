"""Versioned artifact folders: `home/<asset>/<version>/` with a manifest, a `LATEST` beside them, published atomically.

An artifact is written in `home/.building/`, then moved into place by one rename: a killed run leaves the last good
version where it was. A lock per version keeps two runs from building the same thing at once: the second waits, finds
it published, and reuses it.
"""

import errno
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from loopback_core.errors import ArtifactError
from loopback_core.runtime.peak_memory import peak_memory
from loopback_core.store.digests import digest, file_sha256

log = logging.getLogger("loopback")

BUILD_EVERYTHING = "dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"

CHECKPOINTS_KEPT_SECONDS = 30 * 86_400
LEAST_FREE_BYTES = 1 << 16  # what failed to be written leaves no more than this


@dataclass(frozen=True)
class Artifact:
    """One published version of an asset."""

    asset: str
    version: str
    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What it was made from and how: upstream versions, settings, code, files with their digests, summary."""
        try:
            content: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"The manifest of {self} cannot be read ({error}); {self.remedy}") from None
        return content

    @property
    def summary(self) -> dict[str, Any]:
        """What the step that made it had to say, from the manifest."""
        summary: dict[str, Any] = self.manifest["summary"]
        return summary

    @property
    def remedy(self) -> str:
        """What to do when it is damaged."""
        return f"delete the folder {self.folder} and build it again: {BUILD_EVERYTHING}"

    def damaged_files(self) -> dict[str, str]:
        """Files that are not what was published, with what is wrong with each. Reads every byte."""
        wrong = {}
        for name, published in self.manifest["files"].items():
            path = self.folder / name
            if not path.is_file():
                wrong[name] = "missing"
            elif path.stat().st_size != published["bytes"]:
                wrong[name] = f"{path.stat().st_size:,} bytes instead of {published['bytes']:,}"
            elif file_sha256(path) != published["sha256"]:
                wrong[name] = "other bytes than were published"
        return wrong

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Check name -> its last verdict, from `checks.json`; empty when no check has run."""
        path = self.folder / "checks.json"
        try:
            recorded: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            return {}  # damaged: as if no check had run, so that they run again
        return recorded if isinstance(recorded, dict) else {}

    def record_verdict(self, check: str, verdict: Mapping[str, Any]) -> None:
        """Keep the verdict of a check beside the artifact."""
        with FileLock(self.folder.parent.parent / ".locks" / f"{self.asset}-{self.version}-checks.lock"):
            _write(self.folder / "checks.json", _json({**self.verdicts(), check: dict(verdict)}))

    def __str__(self) -> str:
        return f"{self.asset}/{self.version}"


class ArtifactStore:
    """All artifacts under one home folder (`LOOPBACK_HOME`)."""

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()

    def latest(self, asset: str) -> Artifact:
        """The newest published version.

        Raises:
            ArtifactError: there is none; the message names the command that builds it.
        """
        try:
            version = (self.home / asset / "LATEST").read_text("utf-8").strip()
        except FileNotFoundError:
            raise ArtifactError(f"There is no {asset} in {self.home}; build it first: {BUILD_EVERYTHING}") from None
        return self.get(asset, version)

    def get(self, asset: str, version: str) -> Artifact:
        """That version.

        Raises:
            ArtifactError: it is not there.
        """
        folder = self.home / asset / version
        if not (folder / "manifest.json").is_file():
            raise ArtifactError(f"There is no {asset}/{version} in {self.home}; build it again: {BUILD_EVERYTHING}")
        return Artifact(asset, version, folder)

    def upstream(self, artifact: Artifact, asset: str) -> Artifact:
        """The version of `asset` that `artifact` was made from, directly or not."""
        for name, version in artifact.manifest["upstream"].items():
            above = self.get(name, version)
            if name == asset:
                return above
            try:
                return self.upstream(above, asset)
            except KeyError:
                continue
        raise KeyError(asset)

    def made_from(self, asset: str, upstream: Artifact) -> Artifact:
        """The newest version of `asset` that was made from just this version of the stage above it.

        Raises:
            ArtifactError: there is none.
        """
        found = self.all_made_from(asset, upstream)
        if not found:
            raise ArtifactError(f"There is no {asset} of {upstream} in {self.home}; build it first: {BUILD_EVERYTHING}")
        return found[-1]

    def all_made_from(self, asset: str, upstream: Artifact) -> list[Artifact]:
        """Every version of `asset` that was made from just this version of the stage above it, the newest last.

        One whose manifest cannot be read is named in the log and left out.
        """
        found = []
        for path in (self.home / asset).glob("*/manifest.json"):
            one = Artifact(asset, path.parent.name, path.parent)
            try:
                if one.manifest["upstream"].get(upstream.asset) == upstream.version:
                    found.append(one)
            except ArtifactError as error:
                log.warning("%s", error)
        newest = (self.home / asset / "LATEST").read_text("utf-8").strip() if found else ""
        return sorted(found, key=lambda one: (one.version == newest, one.manifest["created"]))

    def kept(self, asset: str) -> Path:
        """A folder for parts of an asset that are dear to make, found again by every later run whatever its version."""
        folder = self.home / ".kept" / asset
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def scratch(self, building: Path) -> Path:
        """A folder for checkpoints that outlives a killed run, for the version that `make` writes into `building`.

        The next run of the same version finds it again; it is removed once that version is published.
        """
        folder = self.home / ".checkpoints" / building.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def build(
        self,
        asset: str,
        make: Callable[[Path], Mapping[str, Any]],
        *,
        upstream: Mapping[str, str],
        settings: Mapping[str, Any],
        code: str,
        version: str | None = None,
        still_good: Callable[[Artifact], bool] = lambda _: True,
    ) -> tuple[Artifact, bool]:
        """Publish what `make(folder)` writes, unless that version exists; returns it and whether it was reused.

        make: writes files into the folder that it is given, returns a summary that JSON can hold. upstream: asset ->
        version. settings: all that changes the result. code: digest of the code that makes it. version: overrides the
        digest of these three (for a source, whose version is that of its bytes). still_good: whether what exists of
        that version may be reused.
        """
        version = version or digest({"asset": asset, "upstream": upstream, "settings": settings, "code": code})
        folder = self.home / asset / version
        building = self.home / ".building" / f"{asset}-{version}"
        (self.home / ".locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.home / ".locks" / f"{asset}-{version}.lock"):
            reused = (folder / "manifest.json").is_file() and still_good(Artifact(asset, version, folder))
            if not reused:
                self._sweep()
                shutil.rmtree(building, ignore_errors=True)  # what a killed run left
                building.mkdir(parents=True)
                try:
                    manifest = self._make(asset, version, make, building)
                    manifest |= {"upstream": dict(upstream), "settings": dict(settings), "code": code}
                    _write(building / "manifest.json", _json(manifest))
                    folder.parent.mkdir(exist_ok=True)
                    shutil.rmtree(folder, ignore_errors=True)  # without a manifest, or not good any more
                    building.rename(folder)
                except Exception as error:
                    if not _disk_is_full(error, building):
                        raise
                    raise ArtifactError(
                        f"The disk of {self.home} is full: {asset} was not published, what was there is untouched. Free "
                        "some space, or point LOOPBACK_HOME at a larger disk, and run the same command again."
                    ) from error
                finally:
                    shutil.rmtree(building, ignore_errors=True)
            _write(folder.parent / "LATEST", version + "\n")
            shutil.rmtree(self.home / ".checkpoints" / building.name, ignore_errors=True)
        return Artifact(asset, version, folder), reused

    def _sweep(self) -> None:
        """Remove what killed runs left half-written: folders whose lock nobody holds. Checkpoints stay a month."""
        for left in (self.home / ".building").glob("*"):
            try:
                with FileLock(self.home / ".locks" / f"{left.name}.lock", timeout=0):
                    shutil.rmtree(left, ignore_errors=True)
            except Timeout:
                continue  # another run is at it
        for left in (self.home / ".checkpoints").glob("*"):
            if time.time() - left.stat().st_mtime > CHECKPOINTS_KEPT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)

    def _make(
        self, asset: str, version: str, make: Callable[[Path], Mapping[str, Any]], building: Path
    ) -> dict[str, Any]:
        started = time.monotonic()
        with peak_memory() as memory:
            summary = make(building)
        files = {
            path.relative_to(building).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            for path in sorted(building.rglob("*"))
            if path.is_file()
        }
        return {
            "asset": asset,
            "version": version,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(time.monotonic() - started, 3),
            "peak_rss_mb": round(memory.peak_mb, 1),
            "files": files,
            "summary": dict(summary),
        }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _disk_is_full(error: Exception, folder: Path) -> bool:
    """Whether that is why writing failed. polars, torch and faiss raise errors of their own, without the errno."""
    told = getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error)
    return told or shutil.disk_usage(folder).free < LEAST_FREE_BYTES


def _write(path: Path, text: str) -> None:
    """All of it or nothing, also for readers at the same moment."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, "utf-8")
    new.replace(path)
