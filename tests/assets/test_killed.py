"""A run killed at any moment of any asset: nothing half-written is ever visible, and the next run ends in the same."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published import results, visible
from small_chain import materialize_small

from loopback_core.stages import CHAIN
from loopback_core.store.artifacts import ArtifactStore

KILLS = 5
PATIENCE = 120  # seconds until an asset begins

FORK = multiprocessing.get_context("forkserver")


def make(home: str, asset: str) -> None:
    """One asset, in a process of its own."""
    torch.set_num_threads(1)
    raise SystemExit(0 if materialize_small(Path(home), asset).success else 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    home = tmp_path_factory.mktemp("undisturbed")
    assert materialize_small(home).success
    return ArtifactStore(home)


def test_a_chain_that_is_killed_in_every_asset_ends_as_one_that_never_was(
    undisturbed: ArtifactStore, tmp_path: Path
) -> None:
    FORK.set_forkserver_preload(["small_chain", "torch", "polars", "faiss", "loopback_core.training.train"])
    rng, store = np.random.default_rng(0), ArtifactStore(tmp_path)
    for asset in CHAIN:
        killed = 0
        for _ in range(KILLS):
            process = start(tmp_path, asset)
            time.sleep(rng.uniform(0, undisturbed.latest(asset).manifest["seconds"]))
            killed += process.is_alive()
            process.kill()
            process.join()
            for artifact in visible(store):
                assert not artifact.damaged_files()
        assert killed, f"{asset} was never at work when it was killed"
        process = FORK.Process(target=make, args=(str(tmp_path), asset))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert results(store.latest(asset)) == results(undisturbed.latest(asset)), asset
    assert not list((tmp_path / ".building").glob("*"))


def start(home: Path, asset: str) -> Any:
    """A process that has begun to write the asset, or has ended already."""
    process = FORK.Process(target=make, args=(str(home), asset))
    process.start()
    deadline = time.monotonic() + PATIENCE
    while process.is_alive() and not list((home / ".building").glob(f"{asset}-*")):
        assert time.monotonic() < deadline, f"{asset} did not begin"
        time.sleep(0.005)
    return process
