import os
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from loopback_assets.definitions import defs
from loopback_core.store.artifacts import ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]
Why = Callable[[dg.ExecuteInProcessResult], dict[str, str]]

EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Other bits in one byte in the middle: neither the size nor the time of the file tell."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def remove(path: Path) -> None:
    path.unlink()


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


@pytest.mark.parametrize("damage", [cut, flip, remove])
def test_data_quality_names_each_file_that_was_damaged(damage: Callable[[Path], None], copied_home: Path) -> None:
    said = {"cut": " bytes instead of ", "flip": "other bytes than were published", "remove": "missing"}[
        damage.__name__
    ]
    store = ArtifactStore(copied_home)
    damaged = {
        "raw_listens": EVENTS,
        "interactions": "interactions.parquet",
        "temporal_splits": "testing/tracks.parquet",
        "baselines": "lists/discovery/recent_artist.npz",
        "trained_towers": "towers.safetensors",
        "track_embeddings": "track_vectors.npy",
        "faiss_index": "tracks.faiss",
        "evaluation": "evaluation.json",
    }
    for asset, name in damaged.items():
        damage(store.latest(asset).folder / name)
    failed = data_quality(copied_home)
    for asset, name in damaged.items():
        sentence = failed[asset]["files_intact"]
        assert sentence.startswith(f"{name}: ") and said in sentence
        assert f"delete the folder {store.latest(asset).folder} and build it again: dagster asset" in sentence


def test_data_quality_does_not_call_anything_else_damaged(copied_home: Path) -> None:
    flip(ArtifactStore(copied_home).latest("temporal_splits").folder / "users.parquet")
    failed = data_quality(copied_home)
    assert [(asset, check) for asset, checks in failed.items() for check in checks if check == "files_intact"] == [
        ("temporal_splits", "files_intact")
    ]


@pytest.mark.parametrize("damage", [cut, remove])
def test_data_quality_names_each_manifest_that_was_damaged(damage: Callable[[Path], None], copied_home: Path) -> None:
    artifacts = [ArtifactStore(copied_home).latest(asset) for asset in ("interactions", "trained_towers", "evaluation")]
    for artifact in artifacts:
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
    changed = "The log log.tsv was changed after raw_listens was materialized: materialize it again."
    assert changed in data_quality(home)["raw_listens"]["source_unchanged"]
    log.unlink()
    assert str(log) in data_quality(home)["raw_listens"]["source_unchanged"]


@pytest.mark.parametrize("damage", [cut, flip, remove])
def test_verdicts_that_were_damaged_are_reached_again(damage: Callable[[Path], None], copied_home: Path) -> None:
    artifact = ArtifactStore(copied_home).latest("faiss_index")
    before = artifact.verdicts()
    damage(artifact.folder / "checks.json")
    assert data_quality(copied_home) == {}
    assert artifact.verdicts() == before


def test_what_data_quality_found_is_not_built_on_until_it_was_built_again(
    copied_home: Path, materialize: Materialize, why: Why
) -> None:
    artifact = ArtifactStore(copied_home).latest("track_embeddings")
    flip(artifact.folder / "track_vectors.npy")
    data_quality(copied_home)
    told = why(materialize(copied_home, "evaluation"))["evaluation"]
    assert told.startswith(f"{artifact} failed its check files_intact, so nothing is built on it: track_vectors.npy: ")

    assert not materialize(copied_home).success  # reused as it is, and found
    shutil.rmtree(artifact.folder)  # as the sentence says
    again = materialize(copied_home)
    assert again.success
    reused = {
        event.materialization.asset_key.path[-1]: event.materialization.metadata["reused"].value
        for event in again.get_asset_materialization_events()
    }
    assert [asset for asset, was_reused in reused.items() if not was_reused] == ["track_embeddings"]
    assert data_quality(copied_home) == {}


def test_on_an_empty_store_data_quality_says_that_there_is_nothing_and_how_to_build_it(tmp_path: Path) -> None:
    failed = data_quality(tmp_path)
    assert sum(map(len, failed.values())) == 26
    for asset, checks in failed.items():
        assert set(checks.values()) == {
            f"There is no {asset} in {tmp_path}; build it first: "
            "dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"
        }
