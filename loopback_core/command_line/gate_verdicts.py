"""What the gate said of the bundles of a home."""

from collections.abc import Iterator, Mapping

from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import ASSET

VERDICT = "promotion"


def gate_verdicts(store: ArtifactStore) -> dict[str, dict[str, str]]:
    """Version of a bundle -> `decision` and `sentence` of the newest verdict on it."""
    found = {}
    for artifact in store.every(VERDICT):
        said = {name: str(artifact.summary.get(name, "")) for name in ("decision", "sentence")}
        found[str(artifact.manifest["upstream"].get(ASSET))] = said
    return found


def doubts(verdicts: Mapping[str, Mapping[str, str]], version: str) -> Iterator[str]:
    """A line, where the gate did not promote this bundle."""
    said = verdicts.get(version)
    if said is not None and said["decision"] != "promote":
        yield f"the gate: {said['decision']}. {said['sentence']}"
