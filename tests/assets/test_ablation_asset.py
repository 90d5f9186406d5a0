import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_core.store.artifacts import ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]
Why = Callable[[dg.ExecuteInProcessResult], dict[str, str]]

ONE_SEED = {"ablation": {"choices": ["reference"], "seeds": [0]}, "training": {"epochs": 1}}


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return next(dict(event.metadata) for event in events if event.asset_key.path[-1] == asset)


def test_an_ablation_is_published_shown_in_the_report_and_kept_beyond_its_versions(
    copied_home: Path, materialize: Materialize
) -> None:
    store = ArtifactStore(copied_home)
    before = store.latest("evaluation")
    assert "each choice is worth" not in (before.folder / "report.md").read_text("utf-8")
    result = materialize(copied_home, "ablation", **ONE_SEED)
    assert result.success
    assert {e.check_name for e in result.get_asset_check_evaluations()} == {
        "files_intact",
        "losses_finite",
        "recipe_holds",
    }
    artifact = store.latest("ablation")
    content = json.loads((artifact.folder / "ablation.json").read_text("utf-8"))
    assert [row["choice"] for row in content["rows"]] == ["reference", "default"]
    assert content["versions"] == {"temporal_splits": store.latest("temporal_splits").version}
    shown = metadata_of(result, "ablation")
    assert [record.data["choice"] for record in shown["discovery table"].records] == ["reference", "default"]
    assert "](data:image/png;base64," in str(shown["ablation"].value)
    assert (shown["trainings"].value, shown["found"].value) == (2, 0)

    # Other choices are another version; what was trained is found again.
    one_more = {**ONE_SEED, "ablation": {"choices": ["reference", "without logQ"], "seeds": [0]}}
    again = metadata_of(materialize(copied_home, "ablation", **one_more), "ablation")
    assert (again["trainings"].value, again["found"].value) == (3, 2)

    materialize(copied_home, "evaluation")
    folder = store.latest("evaluation").folder
    assert folder != before.folder
    assert "| **default** |" in (folder / "report.md").read_text("utf-8").split("## What each choice is worth")[1]
    assert "![" in (folder / "report.md").read_text("utf-8") and (folder / "ablation.png").is_file()
    assert 'id="ablation-' in (folder / "report.html").read_text("utf-8")

    (store.latest("ablation").folder / "ablation.md").write_text("other bytes")
    materialize(copied_home, "evaluation")
    assert store.latest("evaluation") == before


def test_an_unknown_choice_and_no_seed_are_sentences(copied_home: Path, materialize: Materialize, why: Why) -> None:
    result = materialize(copied_home, "ablation", ablation={"choices": ["masks"]})
    assert why(result)["ablation"].startswith("ablation.choices names 'masks'; known are 'all', 'reference', ")
    result = materialize(copied_home, "ablation", ablation={"seeds": []})
    assert "ablation.seeds = [] is wrong: " in why(result)["ablation"]
