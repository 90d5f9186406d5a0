from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_core.drift.drift_json import drift_alarms, read_drift
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import served_version

Materialize = Callable[..., dg.ExecuteInProcessResult]


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = (one.materialization for one in result.get_asset_materialization_events())
    return dict(event.metadata)


def test_a_new_bundle_and_its_log_are_compared_with_what_is_in_service(
    copied_home: Path, materialize: Materialize
) -> None:
    store, as_evaluated = ArtifactStore(copied_home), {"bundle": {"refit": "none"}}
    assert materialize(copied_home, "bundle", **as_evaluated).success
    first = store.latest("bundle")
    alone = materialize(copied_home, "drift", **as_evaluated)
    assert alone.success
    artifact = store.latest("drift")
    drift = read_drift(artifact.folder)
    assert (drift["champion"], drift["challenger"], drift["models"]) == (None, first.version, None)
    assert drift["data"]["weeks"]["calibrated"] and not drift["data"]["past"]["compared"]
    assert len(drift["data"]["weeks"]["statistics"]) > 10
    shown = metadata_of(alone)
    assert shown["alarms"].value == len(drift_alarms(drift)) and (artifact.folder / "drift.png").exists()
    assert {one.check_name for one in alone.get_asset_check_evaluations()} == {
        "files_intact",
        "data_is_alike",
        "past_is_the_same",
        "models_are_alike",
    }

    diverse = {"bundle": {"refit": "none", "rerank": True}}
    assert materialize(copied_home, "bundle", **diverse).success
    assert served_version(store) == first.version  # the new one has not passed the gate
    assert materialize(copied_home, "drift", **diverse).success
    against = store.latest("drift")
    drift = read_drift(against.folder)
    assert against != artifact and drift["champion"] == first.version
    assert drift["data"]["past"]["kept"] == drift["data"]["past"]["known"] == 1.0
    assert drift["models"] is not None and drift["models"]["overlap"] == 1.0
    assert materialize(copied_home, "drift", **diverse).success
    assert store.latest("drift") == against

    assert materialize(copied_home, "bundle", **as_evaluated).success  # the first one again
    assert materialize(copied_home, "drift", **as_evaluated).success
    assert drift["models"]["earlier_comparisons"] == 0 and drift_alarms(drift) == []
    past = read_drift(store.latest("drift").folder)["past"]
    assert past == [{"challenger": drift["challenger"], "figures": drift["models"]["figures"]}]
