import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_core.store.artifacts import ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]
Why = Callable[[dg.ExecuteInProcessResult], dict[str, str]]

ONE_SEED: dict[str, Any] = {
    "lineage": {"families": ["late"], "seeds": [0], "timed_queries": 2},
    "training": {"epochs": 1},
}


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return next(dict(event.metadata) for event in events if event.asset_key.path[-1] == "lineage")


def test_a_lineage_is_published_and_kept_beyond_its_versions(copied_home: Path, materialize: Materialize) -> None:
    store = ArtifactStore(copied_home)
    result = materialize(copied_home, "lineage", **ONE_SEED)
    assert result.success
    artifact = store.latest("lineage")
    content = json.loads((artifact.folder / "lineage.json").read_text("utf-8"))
    assert [row["family"] for row in content["rows"]] == ["two_tower", "late"]
    assert content["versions"] == {"temporal_splits": store.latest("temporal_splits").version}
    shown = metadata_of(result)
    assert [record.data["family"] for record in shown["discovery table"].records] == ["two_tower", "late"]
    assert "](data:image/png;base64," in str(shown["lineage"].value)
    assert (shown["trainings"].value, shown["found"].value) == (2, 0)

    # Other families are another version; what was trained is found again.
    one_more = {**ONE_SEED, "lineage": {**ONE_SEED["lineage"], "families": ["late", "mean_pool"]}}
    again = metadata_of(materialize(copied_home, "lineage", **one_more))
    assert (again["trainings"].value, again["found"].value) == (3, 2)


def test_an_unknown_family_is_a_sentence(copied_home: Path, materialize: Materialize, why: Why) -> None:
    result = materialize(copied_home, "lineage", lineage={"families": ["colbert"]})
    assert why(result)["lineage"].startswith("lineage.families names 'colbert'; known are 'all', 'two_tower', ")
