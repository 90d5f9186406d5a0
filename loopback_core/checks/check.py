"""A check, its verdict, and how the verdict is stored with the artifact."""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from loopback_core.errors import LoopbackError
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore

log = logging.getLogger("loopback")


@dataclass(frozen=True)
class Verdict:
    """The result of a check. `facts` are plain values; numbers have the same key in every run, so they can be plotted."""

    passed: bool
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Predicate = Callable[[Artifact, ArtifactStore, Settings], Verdict]


@dataclass(frozen=True)
class Check:
    """A named predicate over one artifact. Nothing is built on an artifact that failed a blocking one."""

    asset: str
    name: str
    predicate: Predicate
    thresholds: tuple[str, ...] = ()  # keys of [checks] that it reads
    blocking: bool = True  # otherwise a warning, which stops nothing
    recorded: bool = True  # otherwise it reads the bytes on disk, and is run each time

    @property
    def description(self) -> str:
        """The docstring of the predicate."""
        return (inspect.getdoc(self.predicate) or "").strip()

    def verdict_on_record(self, artifact: Artifact, settings: Settings) -> Verdict | None:
        """The verdict in `checks.json`; None unless it is of these bytes and under these thresholds."""
        record = artifact.verdicts().get(self.name)
        if not self.recorded or record is None or record.get("basis") != self._basis(artifact, settings):
            return None
        return Verdict(record["passed"], record["sentence"], record["facts"])

    def record(self, verdict: Verdict, artifact: Artifact, settings: Settings) -> None:
        """Store the verdict in `checks.json`; in a home that cannot be written to the check runs again each time."""
        if not self.recorded:
            return
        try:
            content = {**asdict(verdict), "passed": bool(verdict.passed), "basis": self._basis(artifact, settings)}
            artifact.record_verdict(self.name, content)
        except OSError as error:
            log.debug("the verdict of %s on %s was not recorded: %s", self.name, artifact, error)

    def _basis(self, artifact: Artifact, settings: Settings) -> dict[str, Any]:
        """What the verdict depends on."""
        thresholds = settings.checks.model_dump(mode="json", include=set(self.thresholds))
        return {"digest": artifact.digest, "thresholds": thresholds}


def judge(check: Check, artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Run a check on what was published, and record its verdict.

    A check that could not be run has failed, and is not recorded: its artifact is damaged, or the cause is temporary.
    """
    try:
        if check.recorded:
            artifact.verify()
        verdict = check.predicate(artifact, store, settings)
    except LoopbackError as error:
        return Verdict(False, str(error), {"error": type(error).__name__})
    except Exception as error:
        kind = type(error).__name__
        return Verdict(False, f"{check.name} could not be run on {artifact}: {kind}: {error}", {"error": kind})
    check.record(verdict, artifact, settings)
    return verdict
