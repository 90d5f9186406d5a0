from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import served_bundle

Materialize = Callable[..., dg.ExecuteInProcessResult]


def test_a_bundle_is_served_when_its_checks_pass_and_not_before(copied_home: Path, materialize: Materialize) -> None:
    store = ArtifactStore(copied_home)
    evaluated = store.latest("evaluation")
    refused = materialize(copied_home, "bundle", checks={"min_refit_overlap": 1.0})
    assert not refused.success
    assert [one.check_name for one in refused.get_asset_check_evaluations() if not one.passed] == ["refit_agrees"]
    with pytest.raises(ArtifactError, match=r"No bundle of .* is served: choose a bundle with"):
        served_bundle(store)

    assert materialize(copied_home, "bundle").success
    artifact = served_bundle(store)
    assert artifact == store.latest("bundle") and store.upstream(artifact, "evaluation") == evaluated
    known = ServedBundle.load(artifact.folder).known
    assert known["refit"] == "all" and known["evaluated"]["evaluation"] == evaluated.version
    assert {one["task"] for one in known["evaluated"]["verdicts"]} >= {"discovery", "next_listen"}

    # Another one has to pass the gate.
    assert materialize(copied_home, "bundle", bundle={"refit": "none"}).success
    assert store.latest("bundle") != artifact and served_bundle(store) == artifact
