import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_core.store.artifacts import ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]


def evaluated(home: Path) -> tuple[str, dict[str, Any], str]:
    """Version, `evaluation.json` and `report.md` of the newest report."""
    artifact = ArtifactStore(home).latest("evaluation")
    content = json.loads((artifact.folder / "evaluation.json").read_text("utf-8"))
    return artifact.version, content, (artifact.folder / "report.md").read_text("utf-8")


def test_a_preset_trained_on_the_same_splits_stands_in_the_report_until_its_towers_are_damaged(
    copied_home: Path, materialize: Materialize
) -> None:
    store, default = ArtifactStore(copied_home), {"epochs": 3}
    alone, content, _ = evaluated(copied_home)
    assert content["presets"] == {}

    reference = {"preset": "reference_sparse", "epochs": 1}
    for asset in ("trained_towers", "trained_ranker"):
        assert materialize(copied_home, asset, training=reference).success
    first = store.latest("trained_towers")
    materialize(copied_home, training=default)
    both, content, report = evaluated(copied_home)
    assert both != alone
    assert content["presets"] == {"two_tower:reference_sparse": {"version": first.version, "seed": 0}}
    for task, measured in content["tasks"].items():
        assert measured["recommenders"]["two_tower:reference_sparse"]["ndcg@10"]["value"] is not None
        assert content["paired"][task]["two_tower:reference_sparse"]["ndcg@10"]["difference"] is not None
    assert "| **two_tower:reference_sparse** |" in report and "## Presets" in report
    assert content["preset"] == "default"

    for asset in ("trained_towers", "trained_ranker"):
        assert materialize(copied_home, asset, training=reference | {"seed": 1}).success
    second = store.latest("trained_towers")
    materialize(copied_home, training=default)
    retrained, content, _ = evaluated(copied_home)
    assert retrained != both
    assert content["presets"] == {"two_tower:reference_sparse": {"version": second.version, "seed": 1}}

    (second.folder / "towers.safetensors").write_bytes(b"")
    materialize(copied_home, training=default)
    version, content, report = evaluated(copied_home)
    assert version == alone and content["presets"] == {} and "reference_sparse" not in report
