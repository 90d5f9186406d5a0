import errno
import os
import shutil
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from published import results

from loopback_assets.definitions import defs
from loopback_assets.step import Step
from loopback_core.settings import load_settings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.digests import begin_digest, file_sha256
from loopback_core.store.sealed_json import write_sealed
from loopback_core.training import train as module_of_training

Materialize = Callable[..., dg.ExecuteInProcessResult]
Why = Callable[[dg.ExecuteInProcessResult], dict[str, str]]

EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Other bits in one byte in the middle: size and time of the file stay the same."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def remove(path: Path) -> None:
    path.unlink()


def reused(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Asset -> whether the run reused it."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.path[-1]: bool(event.metadata["reused"].value) for event in events}


def data_quality(home: Path) -> dict[str, dict[str, str]]:
    """Runs the job; asset -> check -> the sentence of each that failed, warnings left out."""
    config = {"resources": {"loopback": {"config": {"home": str(home), "checks": {"min_evaluation_users": 5}}}}}
    result = defs.resolve_job_def("data_quality").execute_in_process(run_config=config, raise_on_error=False)
    failed: dict[str, dict[str, str]] = {}
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            failed.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = str(check.description)
    assert result.success == (not failed)
    return failed


def test_an_undamaged_home_passes(copied_home: Path) -> None:
    assert data_quality(copied_home) == {}


def test_data_quality_names_each_file_that_was_damaged(copied_home: Path) -> None:
    said = {cut: " bytes instead of ", flip: "other bytes than were published", remove: "missing"}
    store = ArtifactStore(copied_home)
    damaged = {
        "raw_listens": EVENTS,
        "interactions": "interactions.parquet",
        "temporal_splits": "testing/tracks.parquet",
        "baselines": "lists/discovery/recent_artist.npz",
        "trained_towers": "towers.safetensors",
        "trained_ranker": "scoring.json",
        "track_embeddings": "track_vectors.npy",
        "faiss_index": "tracks.faiss",
        "evaluation": "evaluation.json",
    }
    for (asset, name), damage in zip(damaged.items(), cycle(said)):
        damage(store.latest(asset).folder / name)
    failed = data_quality(copied_home)
    for (asset, name), damage in zip(damaged.items(), cycle(said)):
        sentence = failed[asset]["files_intact"]
        assert sentence.startswith(f"{name}: ") and said[damage] in sentence
        assert f"delete the folder {store.latest(asset).folder} and build it again: uv run dagster asset" in sentence


def test_data_quality_does_not_call_anything_else_damaged(copied_home: Path) -> None:
    flip(ArtifactStore(copied_home).latest("temporal_splits").folder / "users.parquet")
    failed = data_quality(copied_home)
    assert [(asset, check) for asset, checks in failed.items() for check in checks if check == "files_intact"] == [
        ("temporal_splits", "files_intact")
    ]


def test_data_quality_names_each_manifest_that_was_damaged(copied_home: Path) -> None:
    artifacts = [ArtifactStore(copied_home).latest(asset) for asset in ("interactions", "trained_towers", "evaluation")]
    for artifact, damage in zip(artifacts, (cut, flip, remove), strict=True):
        damage(artifact.folder / "manifest.json")
    failed = data_quality(copied_home)
    for artifact in artifacts:
        sentence = failed[artifact.asset]["files_intact"]
        assert str(artifact) in sentence and "dagster asset materialize --select '*evaluation'" in sentence


def test_data_quality_finds_a_log_of_the_user_that_was_changed_or_is_gone(
    tmp_path: Path, materialize: Materialize
) -> None:
    log, home = tmp_path / "log.tsv", tmp_path / "home"
    log.write_text("user_1\t2006-01-01T00:00:00Z\t\tArtist\t\tTitle\n")
    assert materialize(home, "raw_listens", source={"name": str(log)}).success
    log.write_text("user_1\t2006-01-01T00:00:00Z\t\tArtist\t\tAnother title\n")
    changed = f"{log} was changed after raw_listens was materialized: materialize it again."
    assert changed in data_quality(home)["raw_listens"]["source_unchanged"]
    log.unlink()
    assert str(log) in data_quality(home)["raw_listens"]["source_unchanged"]


def test_damaged_verdicts_are_judged_again(copied_home: Path) -> None:
    artifacts = [ArtifactStore(copied_home).latest(asset) for asset in ("interactions", "baselines", "faiss_index")]
    before = [artifact.verdicts() for artifact in artifacts]
    for artifact, damage in zip(artifacts, (cut, flip, remove), strict=True):
        damage(artifact.folder / "checks.json")
    assert data_quality(copied_home) == {}
    assert [artifact.verdicts() for artifact in artifacts] == before


DAMAGED = {
    "raw_listens": EVENTS,
    "interactions": "rejects.parquet",
    "temporal_splits": "testing/tracks.parquet",
    "baselines": "lists/discovery/recent_artist.npz",
    "trained_towers": "history.json",
    "trained_ranker": "reranking.json",
    "track_embeddings": "track_vectors.npy",
    "faiss_index": "LATEST",
    "evaluation": "training.png",
}
"""A file of each artifact."""


def test_the_chain_makes_again_what_was_damaged_and_ends_in_the_same_report(
    copied_home: Path, materialize: Materialize
) -> None:
    store = ArtifactStore(copied_home)
    before = {asset: results(store.latest(asset)) for asset in DAMAGED}
    for (asset, name), damage in zip(DAMAGED.items(), cycle((cut, flip, remove))):
        folder = store.latest(asset).folder
        damage((folder.parent if name == "LATEST" else folder) / name)
    assert materialize(copied_home).success
    for asset in DAMAGED:
        artifact = store.latest(asset)
        assert artifact.fault() == ""
        assert results(artifact) == before[asset], asset
    assert data_quality(copied_home) == {}


def test_damaged_files_are_not_built_on_until_they_were_made_again(
    copied_home: Path, materialize: Materialize, why: Why
) -> None:
    artifact = ArtifactStore(copied_home).latest("track_embeddings")
    flip(artifact.folder / "track_vectors.npy")
    told = why(materialize(copied_home, "evaluation", evaluation={"resamples": 101}))
    assert told == {
        "evaluation": f"{artifact} is damaged (track_vectors.npy: other bytes than were published); delete the folder "
        f"{artifact.folder} and build it again: uv run dagster asset materialize --select '*evaluation' "
        "-m loopback_assets.definitions"
    }
    shutil.rmtree(artifact.folder)  # as the sentence says
    again = materialize(copied_home)
    assert again.success
    assert [asset for asset, was_reused in reused(again).items() if not was_reused] == ["track_embeddings"]


def test_a_report_made_from_other_bytes_than_those_of_its_upstream_is_not_reused(
    copied_home: Path, materialize: Materialize, why: Why
) -> None:
    store = ArtifactStore(copied_home)
    before, vectors = results(store.latest("evaluation")), store.latest("track_embeddings")
    path = vectors.folder / "track_vectors.npy"
    np.save(path, np.load(path)[::-1])  # and sealed as if the step had made it so: the artifact itself is consistent
    manifest = dict(vectors.manifest)
    manifest["files"] = {
        **manifest["files"],
        path.name: {
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
            "xxh3": begin_digest(path, "xxh3").result(),
        },
    }
    write_sealed(vectors.folder / "manifest.json", manifest)
    told = why(materialize(copied_home, "evaluation"))["evaluation"]
    index = store.latest("faiss_index")
    assert told.startswith(f"{index} was made from other files of {vectors} than are on disk now; build it again: ")

    wrong = materialize(
        copied_home, "faiss_index"
    )  # from the reversed rows, which the artifact of the index cannot show
    assert reused(wrong) == {"faiss_index": False}
    shutil.rmtree(vectors.folder)
    again = materialize(copied_home)
    assert again.success
    made_again = [asset for asset, was_reused in reused(again).items() if not was_reused]
    assert made_again == ["track_embeddings", "faiss_index"]
    assert results(store.latest("evaluation")) == before


def test_checkpoints_of_a_training_on_damaged_splits_are_not_gone_on_with(
    copied_home: Path, materialize: Materialize, why: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(copied_home)
    before, path = results(store.latest("trained_towers")), store.latest("temporal_splits").folder / "train.parquet"
    shutil.rmtree(copied_home / "trained_towers")
    intact, train_towers = path.read_bytes(), module_of_training.train_towers

    def on_other_listens(*arguments: Any) -> Any:
        train = pl.read_parquet(path)
        train.with_columns(pl.col("track").reverse()).write_parquet(path)
        return train_towers(*arguments)

    with monkeypatch.context() as damaged:
        damaged.setattr(module_of_training, "train_towers", on_other_listens)
        assert " is damaged (train.parquet: " in why(materialize(copied_home, "trained_towers"))["trained_towers"]
    path.write_bytes(intact)
    assert materialize(copied_home, "trained_towers").success
    assert results(store.latest("trained_towers")) == before


def test_checkpoints_of_a_killed_run_are_found_again_unless_its_input_was_written_anew(copied_home: Path) -> None:
    """The same bytes again: what lay there in between is unknown, and the killed run may have read it."""

    def scratch() -> Path:
        step = Step(ArtifactStore(copied_home), load_settings({}, {}), {}, {})
        step._inputs.append(step.store.latest("temporal_splits"))
        return step.scratch(copied_home / ".building" / "trained_towers-1")

    first = scratch()
    assert scratch() == first
    path = ArtifactStore(copied_home).latest("temporal_splits").folder / "train.parquet"
    path.write_bytes(path.read_bytes())
    assert scratch() != first


@pytest.mark.parametrize(
    ("asset", "name"),
    [("evaluation", "evaluation.json"), ("evaluation", "report.md"), ("trained_towers", "training.png")],
)
def test_a_file_that_the_ui_shows_is_named_when_it_is_removed_meanwhile(
    asset: str, name: str, copied_home: Path, materialize: Materialize, why: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Step.publish

    def published_and_damaged(step: Step, asset: str, *rest: Any, **more: Any) -> tuple[Artifact, bool]:
        artifact, was_reused = publish(step, asset, *rest, **more)
        (artifact.folder / name).unlink()
        return artifact, was_reused

    monkeypatch.setattr(Step, "publish", published_and_damaged)
    told = why(materialize(copied_home, asset))[asset]
    artifact = ArtifactStore(copied_home).latest(asset)
    assert told.startswith(f"{artifact} is damaged ({name}: missing); delete the folder {artifact.folder} and build ")


def test_an_unchanged_report_is_shown_from_a_home_that_cannot_be_written_to(
    copied_home: Path, materialize: Materialize, why: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(copied_home))

    for target in ("loopback_core.store.atomic.replacing", "filelock.FileLock.acquire"):
        monkeypatch.setattr(target, read_only)
    shown = materialize(copied_home, "evaluation")
    assert shown.success and reused(shown) == {"evaluation": True}
    told = why(materialize(copied_home, "evaluation", evaluation={"resamples": 101}))["evaluation"]
    assert told.startswith(f"{copied_home} cannot be written to (Read-only file system: ")


def test_on_an_empty_store_data_quality_says_that_there_is_nothing_and_how_to_build_it(tmp_path: Path) -> None:
    failed = data_quality(tmp_path)
    assert sum(map(len, failed.values())) == 28
    for asset, checks in failed.items():
        assert set(checks.values()) == {
            f"There is no {asset} in {tmp_path}; build it first: "
            "uv run dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"
        }
