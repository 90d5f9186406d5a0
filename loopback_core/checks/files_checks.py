"""The files of any artifact."""

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def files_intact(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every file has the bytes that were published: none is missing, cut or changed."""
    damaged = artifact.damaged_files()
    facts = {"files": len(artifact.manifest["files"]), "damaged": damaged}
    if damaged:
        named = "; ".join(f"{name}: {what}" for name, what in damaged.items())
        return Verdict(False, f"{named}; {artifact.remedy}", facts)
    return Verdict(True, "every file has the bytes that were published", facts)
