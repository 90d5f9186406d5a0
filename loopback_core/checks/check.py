"""A check, its verdict, and how both are kept beside the artifact."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


@dataclass(frozen=True)
class Verdict:
    """What a check found. `facts` are plain values; numbers keep their key from run to run, so they can be plotted."""

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
    blocking: bool = True  # otherwise a warning: seen in the UI, and in nobody's way

    @property
    def description(self) -> str:
        """The predicate's own words."""
        return (inspect.getdoc(self.predicate) or "").strip()


def judge(check: Check, artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Run a check and record its verdict in the artifact's `checks.json`.

    A check that cannot read what it is to judge has failed: damage must not pass for an error of the checker.
    """
    try:
        verdict = check.predicate(artifact, store, settings)
    except Exception as error:
        verdict = Verdict(False, f"{artifact} cannot be read: {error}", {"error": type(error).__name__})
    artifact.record_verdict(check.name, {**asdict(verdict), "thresholds": settings.checks.model_dump(mode="json")})
    return verdict
