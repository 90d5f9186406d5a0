"""Versioned artifact folders: `home/<asset>/<version>/` with a manifest, a `LATEST` next to them, published atomically.

An artifact is written in `home/.building/`, then moved into place by one rename: a killed run leaves the last good
version where it was. A lock per version keeps two runs from building the same thing at once: the second waits, finds
it published, and reuses it. What is damaged, or was made from other bytes than those on disk now, is not reused.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from loopback_core.errors import ArtifactError
from loopback_core.runtime.peak_memory import peak_memory
from loopback_core.store.artifact import BUILD_EVERYTHING, MANIFEST, Artifact
from loopback_core.store.digests import begin_digest, digest
from loopback_core.store.disk_errors import disk_full, is_disk_full, remove, writing
from loopback_core.store.latest import is_version, latest_version, points_to, versions_of, write_latest
from loopback_core.store.sealed_json import write_sealed

__all__ = ["BUILD_EVERYTHING", "Artifact", "ArtifactStore"]

log = logging.getLogger("loopback")

CHECKPOINTS_KEPT_SECONDS = 30 * 86_400


class ArtifactStore:
    """All artifacts under one home folder (`LOOPBACK_HOME`)."""

    def __init__(self, home: Path) -> None:
        try:
            self.home = home.expanduser().absolute()
            self.home.stat()
        except (FileNotFoundError, NotADirectoryError):
            pass  # made, or refused, when something is published
        except (RuntimeError, OSError, ValueError) as error:  # a user unknown here; too long, not to be entered; a NUL
            reason = getattr(error, "strerror", None) or error
            shown = ascii(str(home))[:200]
            raise ArtifactError(
                f"{shown} cannot be the folder of artifacts ({reason}): correct LOOPBACK_HOME."
            ) from None

    def latest(self, asset: str) -> Artifact:
        """The newest published version.

        Raises:
            ArtifactError: it is missing or damaged; the message names the command that builds it.
        """
        return self.get(asset, latest_version(self.home, asset))

    def get(self, asset: str, version: str) -> Artifact:
        """That version.

        Raises:
            ArtifactError: it is missing, or its manifest is damaged.
        """
        artifact = Artifact(asset, version, self.home / asset / version)
        if not is_version(version) or not artifact.folder.is_dir():
            raise ArtifactError(f"There is no {artifact} in {self.home}; build it again: {artifact.command}")
        _ = artifact.manifest
        return artifact

    def has(self, asset: str) -> bool:
        """Whether any version of the asset was published, whole or not."""
        return bool(versions_of(self.home, asset))

    def upstream(self, artifact: Artifact, asset: str) -> Artifact:
        """The version of `asset` that `artifact` was made from, directly or not; verified.

        Raises:
            KeyError: `artifact` was not made from any.
            ArtifactError: it is missing, damaged, or has other files than when `artifact` was made.
        """
        above = self.lineage(artifact, asset)
        above.verify()
        if artifact.manifest["made_from"].get(str(above), above.digest) != above.digest:
            raise ArtifactError(
                f"{artifact} was made from other files of {above} than are on disk now; build it again: "
                f"{BUILD_EVERYTHING}"
            )
        return above

    def lineage(self, artifact: Artifact, asset: str) -> Artifact:
        """As :meth:`upstream`, not verified."""
        above = self._lineage(artifact, asset, ())
        if above is None:
            raise KeyError(asset)
        return above

    def _lineage(self, artifact: Artifact, asset: str, below: tuple[str, ...]) -> Artifact | None:
        if str(artifact) in below:
            raise ArtifactError(f"The manifest of {artifact} leads back to itself; {artifact.remedy}")
        for name, version in artifact.manifest["upstream"].items():
            above = self.get(name, version)
            match = above if name == asset else self._lineage(above, asset, (*below, str(artifact)))
            if match:
                return match
        return None

    def made_from(self, asset: str, upstream: Artifact) -> Artifact:
        """The newest version of `asset` that was made from just this version of the stage above it.

        Raises:
            ArtifactError: there is none, or one whose manifest is damaged, which might be it.
        """
        versions = self.all_made_from(asset, upstream)
        if not versions:
            for version in versions_of(self.home, asset):
                self.get(asset, version)
            raise ArtifactError(f"There is no {asset} of {upstream} in {self.home}; build it first: {BUILD_EVERYTHING}")
        return versions[-1]

    def all_made_from(self, asset: str, upstream: Artifact) -> list[Artifact]:
        """Every version of `asset` that was made from just this version of the stage above it; as :meth:`every`."""
        return [one for one in self.every(asset) if one.manifest["upstream"].get(upstream.asset) == upstream.version]

    def every(self, asset: str) -> list[Artifact]:
        """Every version of `asset`, the newest last. One whose manifest cannot be read is named in the log and left out."""
        artifacts = []
        for version in versions_of(self.home, asset):
            try:
                artifact = self.get(asset, version)
            except ArtifactError as error:
                log.warning("%s", error)
                continue
            artifacts.append(artifact)
        try:
            newest = latest_version(self.home, asset)
        except ArtifactError:
            newest = ""
        return sorted(artifacts, key=lambda one: (one.version == newest, one.manifest["created"]))

    def kept(self, asset: str) -> Path:
        """A folder for parts of an asset that are expensive to make, read by every later run whatever its version."""
        folder = self.home / ".kept" / asset
        with writing(self.home, asset):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def scratch(self, building: Path, made_from: Mapping[str, str]) -> Path:
        """A folder for checkpoints that outlives a killed run, for the version that `make` writes into `building`.

        The next run of the same version, from the same bytes (made_from, as of :meth:`build`), finds it again; it is
        removed once that version is published.
        """
        folder = self.home / ".checkpoints" / building.name / digest(made_from)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def forget_scratch(self, building: Path) -> None:
        """Remove the checkpoints for the version that is made in `building`."""
        shutil.rmtree(self.home / ".checkpoints" / building.name, ignore_errors=True)

    @contextmanager
    def staging(self, asset: str) -> Iterator[Path]:
        """A folder for what has to be read before the version is known; removed at the end, also after a killed run.

        It lies on the disk of the artifacts, so that `make` can move files from it.

        Raises:
            ArtifactError: the home cannot be written to, or its disk is full.
        """
        folder = self.home / ".building" / f"{asset}-{uuid4().hex}"
        lock = FileLock(self.home / ".locks" / f"{folder.name}.lock")
        with writing(self.home, asset):
            (self.home / ".locks").mkdir(parents=True, exist_ok=True)
            self._sweep()
            lock.acquire()  # before the folder is there: what is not locked is swept
            folder.mkdir(parents=True)
        try:
            yield folder
        except Exception as error:
            if not is_disk_full(error, folder):
                raise
            raise disk_full(self.home, asset) from error
        finally:
            remove(folder)
            lock.release()
            remove(Path(lock.lock_file))

    def build(
        self,
        asset: str,
        make: Callable[[Path], Mapping[str, Any]],
        *,
        upstream: Mapping[str, str],
        settings: Mapping[str, Any],
        code: str,
        made_from: Mapping[str, str] | None = None,
        version: str | None = None,
        still_good: Callable[[Artifact], bool] = lambda _: True,
    ) -> tuple[Artifact, bool]:
        """Publish what `make(folder)` writes, unless that version exists; returns it and whether it was reused.

        make: writes files into the folder that it is given, returns a summary that JSON can hold. upstream: asset ->
        version. settings: all that changes the result. code: digest of the code that makes it. made_from: each
        artifact that `make` reads -> its digest; a version that was made from other bytes is made again. version:
        overrides the digest of upstream, settings and code (for a source, whose version is that of its bytes).
        still_good: whether what exists of that version may be reused.

        Raises:
            ArtifactError: the home cannot be written to, or its disk is full.
        """
        version = version or digest({"asset": asset, "upstream": upstream, "settings": settings, "code": code})
        read = dict(made_from or {})
        origin = {"upstream": dict(upstream), "made_from": read, "settings": dict(settings), "code": code}
        artifact = Artifact(asset, version, self.home / asset / version)
        fault = self._not_reusable(artifact, read, still_good)
        if fault is None and points_to(
            self.home, asset, version
        ):  # nothing to write: a home that is read-only can be shown
            return artifact, True
        lock = FileLock(self.home / ".locks" / f"{asset}-{version}.lock")
        with writing(self.home, asset):
            (self.home / ".locks").mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            artifact = Artifact(asset, version, artifact.folder)  # another run may have published it meanwhile
            fault = self._not_reusable(artifact, read, still_good)
            if fault is not None:
                if fault:
                    log.warning("%s is made again: %s", artifact, fault)
                self._publish(artifact, make, origin)
                artifact = Artifact(asset, version, artifact.folder)
            with writing(self.home, asset):
                write_latest(self.home, asset, version)
            shutil.rmtree(self.home / ".checkpoints" / f"{asset}-{version}", ignore_errors=True)
        finally:
            lock.release()
        return artifact, fault is None

    def _not_reusable(
        self, artifact: Artifact, made_from: Mapping[str, str], still_good: Callable[[Artifact], bool]
    ) -> str | None:
        """Why a version is made, empty where nothing is wrong with it; None when it can be reused."""
        if not artifact.folder.exists():
            return ""
        if fault := artifact.fault():
            return fault
        recorded = artifact.manifest["made_from"]
        others = sorted(name for name in recorded.keys() | made_from if recorded.get(name) != made_from.get(name))
        if others:
            return f"it was made from other files of {', '.join(others)} than are on disk now"
        return None if still_good(artifact) else ""

    def _publish(
        self, artifact: Artifact, make: Callable[[Path], Mapping[str, Any]], origin: Mapping[str, Any]
    ) -> None:
        building = self.home / ".building" / f"{artifact.asset}-{artifact.version}"
        replaced = building.with_name(f"{building.name}.replaced")
        with writing(self.home, artifact.asset):
            self._sweep()
            remove(building)  # what a killed run left
            building.mkdir(parents=True)
        try:
            manifest = self._make(artifact, make, building) | dict(origin)
            write_sealed(building / MANIFEST, manifest)
            with writing(self.home, artifact.asset):
                artifact.folder.parent.mkdir(exist_ok=True)
                if artifact.folder.exists():  # not good any more
                    remove(replaced)
                    artifact.folder.rename(replaced)
                building.rename(artifact.folder)
        except Exception as error:
            if not is_disk_full(error, building):
                raise
            raise disk_full(self.home, artifact.asset) from error
        finally:
            remove(building)
            remove(replaced)

    def _make(self, artifact: Artifact, make: Callable[[Path], Mapping[str, Any]], building: Path) -> dict[str, Any]:
        started = time.monotonic()
        with peak_memory() as memory:
            summary = make(building)
        paths = {path.relative_to(building).as_posix(): path for path in sorted(building.rglob("*")) if path.is_file()}
        begun = {name: (begin_digest(path, "sha256"), begin_digest(path, "xxh3")) for name, path in paths.items()}
        files = {
            name: {"bytes": paths[name].stat().st_size, "sha256": sha256.result(), "xxh3": xxh3.result()}
            for name, (sha256, xxh3) in begun.items()
        }
        return {
            "asset": artifact.asset,
            "version": artifact.version,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(time.monotonic() - started, 3),
            "peak_rss_mb": round(memory.peak_mb, 1),
            "files": files,
            "summary": dict(summary),
        }

    def _sweep(self) -> None:
        """Remove what killed runs left half-written: folders whose lock is free. Checkpoints stay a month."""
        for left in (self.home / ".building").glob("*"):
            try:
                with FileLock(self.home / ".locks" / f"{left.name.removesuffix('.replaced')}.lock", timeout=0):
                    remove(left)
            except Timeout:
                continue  # another run is writing it
        for left in (self.home / ".checkpoints").glob("*"):
            if time.time() - left.stat().st_mtime > CHECKPOINTS_KEPT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
