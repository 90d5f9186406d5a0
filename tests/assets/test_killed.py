"""A run that was killed: nothing half-written is ever visible, and the next run ends in the same."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import torch
from published import results, visible
from shared_run import Run
from small_chain import materialize_small

from loopback_core.stages import CHAIN
from loopback_core.store.artifacts import ArtifactStore

Finished = tuple[Path, Run]
Materialize = Callable[..., dg.ExecuteInProcessResult]

Kill = Callable[..., None]


@pytest.fixture
def home_before(finished: Finished, tmp_path: Path) -> Callable[[str], Path]:
    """home_before(asset) -> a copy of the finished home, without that asset and those after it."""

    def copy(asset: str) -> Path:
        missing = CHAIN[CHAIN.index(asset) :]
        return Path(shutil.copytree(finished[0], tmp_path / "home", ignore=shutil.ignore_patterns(*missing)))

    return copy


def make_and_be_killed(home: Path, asset: str, name: str, times: int) -> None:
    """Make the asset; this process is killed when it moves a file of that name into place for that many times."""
    remaining = times

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal remaining
        if event == "os.rename" and Path(str(arguments[1])).name == name and asset in str(arguments[1]):
            remaining -= 1
            if not remaining:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    torch.set_num_threads(1)
    materialize_small(home, asset)


@pytest.fixture
def kill(forked: Callable[..., int]) -> Kill:
    """kill(home, asset, name, times=1): a run in another process, killed just before `name` is moved into place."""

    def run_and_kill(home: Path, asset: str, name: str, times: int = 1) -> None:
        assert forked(make_and_be_killed, home, asset, name, times) == -signal.SIGKILL
        assert all(not artifact.damaged_files() for artifact in visible(ArtifactStore(home)))

    return run_and_kill


@pytest.mark.parametrize("asset", CHAIN)
def test_an_asset_killed_while_it_is_published_is_made_again_with_the_same_result(
    asset: str, home_before: Callable[[str], Path], kill: Kill, finished: Finished, materialize: Materialize
) -> None:
    home = home_before(asset)
    store = ArtifactStore(home)
    kill(home, asset, "manifest.json")
    assert not (home / asset).exists() and list((home / ".building").glob(f"{asset}-*"))
    kill(home, asset, "LATEST")
    assert (home / asset).exists() and not (home / asset / "LATEST").exists()
    assert materialize(home, asset).success
    assert results(store.latest(asset)) == results(ArtifactStore(finished[0]).latest(asset))
    assert not list((home / ".building").iterdir())


def test_a_training_that_is_killed_goes_on_after_its_last_checkpoint_to_the_same_towers(
    home_before: Callable[[str], Path],
    kill: Kill,
    finished: Finished,
    materialize: Materialize,
    instance: dg.DagsterInstance,
) -> None:
    home = home_before("trained_towers")
    kill(home, "trained_towers", "checkpoint.pt", times=2)
    result = materialize(home, "trained_towers", instance=instance)
    told = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any(message.startswith("training goes on after epoch ") for message in told)
    towers = (ArtifactStore(folder).latest("trained_towers") for folder in (home, finished[0]))
    assert results(next(towers)) == results(next(towers))
    assert not list((home / ".building").iterdir()) and not list((home / ".checkpoints").iterdir())
