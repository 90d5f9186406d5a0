"""What a home shows to a reader, and what its artifacts hold apart from what clocks say: for tests of killed runs."""

import json
from collections.abc import Iterator
from typing import Any

from loopback_core.stages import CHAIN
from loopback_core.store.artifacts import Artifact, ArtifactStore

MEASURED = {"seconds", "peak_rss_mb", "p50_ms", "p99_ms", "versions", "events_per_second"}
"""Of a report what a clock or a memory gauge says, and the versions, which are those of artifacts that hold such things."""


def visible(store: ArtifactStore) -> Iterator[Artifact]:
    """Every visible version; fails where one is not whole."""
    for asset in CHAIN:
        if (store.home / asset / "LATEST").exists():
            yield store.latest(asset)
        for folder in (store.home / asset).glob("*/"):
            assert (folder / "manifest.json").is_file(), f"{folder} is half-written"
            yield Artifact(asset, folder.name, folder)


def results(artifact: Artifact) -> dict[str, Any]:
    """What the files hold, by name; plots and pages, which are made from it, are left out."""
    found: dict[str, Any] = {}
    for name, published in artifact.manifest["files"].items():
        if name.endswith(".json"):
            found[name] = _without_measurements(json.loads((artifact.folder / name).read_text("utf-8")))
        elif not name.endswith((".html", ".md", ".png", ".svg")):
            found[name] = published["sha256"]
    return found


def _without_measurements(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_measurements(value) for key, value in content.items() if key not in MEASURED}
    return [_without_measurements(value) for value in content] if isinstance(content, list) else content
