"""One published version of an asset: its manifest, its files, and the verdicts of its checks."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from loopback_core.errors import ArtifactError
from loopback_core.store.digests import begin_digest, digest
from loopback_core.store.sealed_json import read_sealed, write_sealed

BUILD_EVERYTHING = "uv run dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"

BUILD_BUNDLE = BUILD_EVERYTHING.replace("evaluation", "promotion")

MANIFEST, VERDICTS = "manifest.json", "checks.json"


@dataclass(frozen=True)
class Artifact:
    """One published version of an asset."""

    asset: str
    version: str
    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What it was made from and how: upstream versions, settings, code, files with their digests, summary.

        Raises:
            ArtifactError: it is missing, damaged, or that of another artifact; the message names the remedy.
        """
        try:
            return self._read_manifest()
        except ArtifactError as error:
            raise ArtifactError(f"{error}; {self.remedy}") from None

    def _read_manifest(self) -> dict[str, Any]:
        path = self.folder / MANIFEST
        content = read_sealed(path)
        if (content.get("asset"), content.get("version")) != (self.asset, self.version):
            raise ArtifactError(f"{path} is not the manifest of {self}")
        return content

    @property
    def summary(self) -> dict[str, Any]:
        """The summary of the step that made it, from the manifest."""
        summary: dict[str, Any] = self.manifest["summary"]
        return summary

    @cached_property
    def digest(self) -> str:
        """A digest of the bytes of all its files, as they were published."""
        return digest({name: file["sha256"] for name, file in self.manifest["files"].items()})

    @property
    def remedy(self) -> str:
        """What to do when it is damaged."""
        return f"delete the folder {self.folder} and build it again: {self.command}"

    @property
    def command(self) -> str:
        """What builds it: the main job ends with the evaluation."""
        return BUILD_BUNDLE if self.asset in ("bundle", "promotion") else BUILD_EVERYTHING

    def begin_verification(self) -> None:
        """Let other threads digest the files, so that :meth:`verify` has less to wait for."""
        for name, published in self.manifest["files"].items():
            _begin(self.folder / name, published["bytes"])

    def damaged_files(self) -> dict[str, str]:
        """Files that are not what was published, with what is wrong with each.

        Reads every byte but those that this process has read before (`store.digests`).
        """
        files = self.manifest["files"]
        begun = {name: _begin(self.folder / name, published["bytes"]) for name, published in files.items()}
        faults = {name: _fault(answer, files[name].get("xxh3")) for name, answer in begun.items()}
        return {name: fault for name, fault in faults.items() if fault}

    def fault(self) -> str:
        """What is wrong with its manifest, read again, or with its files; empty when it is what was published."""
        try:
            self._read_manifest()
            damaged = self.damaged_files()
        except ArtifactError as error:
            return str(error)
        named = "; ".join(f"{name}: {what}" for name, what in damaged.items())
        return f"{self} is damaged ({named})" if damaged else ""

    def verify(self) -> None:
        """Refuse it unless it is what was published, and nothing else.

        Raises:
            ArtifactError: its manifest or a file is missing, damaged or not of it; the message names it and the remedy.
        """
        if fault := self.fault():
            raise ArtifactError(f"{fault}; {self.remedy}")
        if strangers := self.strangers():
            raise ArtifactError(
                f"{self.folder} holds files that were not published ({', '.join(strangers)}): move them elsewhere and run "
                "the same command again."
            )

    def refuse_other_sizes(self) -> None:
        """Refuse it where a file is missing or of another size than was published; no file is read.

        Raises:
            ArtifactError: the message names the file and the remedy.
        """
        for name, published in self.manifest["files"].items():
            path = self.folder / name
            try:
                size = path.stat().st_size
            except OSError as error:
                raise ArtifactError(f"{path} is missing ({error.strerror}); {self.remedy}") from None
            if size != published["bytes"]:
                raise ArtifactError(f"{path} has {size:,} bytes instead of {published['bytes']:,}; {self.remedy}")

    def strangers(self) -> list[str]:
        """Files in its folder that are not of it, hidden ones left out: a step reads some files only where they are."""
        names = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("[!.]*") if path.is_file())
        return sorted({*names} - {*self.manifest["files"], MANIFEST, VERDICTS})

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Check name -> its last verdict, from `checks.json`; empty when no check has run, or the file is damaged."""
        try:
            return read_sealed(self.folder / VERDICTS)
        except ArtifactError:
            return {}  # the checks run again

    def record_verdict(self, check: str, verdict: Mapping[str, Any]) -> None:
        """Keep the verdict of a check next to the artifact."""
        with FileLock(self.folder.parent.parent / ".locks" / f"{self.asset}-{self.version}-checks.lock"):
            write_sealed(self.folder / VERDICTS, {**self.verdicts(), check: dict(verdict)})

    def __str__(self) -> str:
        return f"{self.asset}/{self.version}"


def _begin(path: Path, size: int) -> Future[str] | str:
    """The digest of a file that another thread computes, or what is wrong with the file without reading it."""
    try:
        if not path.is_file():
            return "missing"
        if (actual := path.stat().st_size) != size:
            return f"{actual:,} bytes instead of {size:,}"
        return begin_digest(path, "xxh3")
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _fault(answer: Future[str] | str, published: str | None) -> str:
    """What is wrong with a file; empty when its digest is the published one."""
    if isinstance(answer, str):
        return answer
    try:
        return "" if answer.result() == published else "other bytes than were published"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
