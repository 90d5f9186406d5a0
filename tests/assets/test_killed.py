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

from loopback_core.artifacts import ArtifactStore
from loopback_core.chain import CHAIN

ROUNDS = 5
PATIENCE = 120  # seconds until an asset begins

FORK = multiprocessing.get_context("forkserver")


def make(home: str) -> None:
    """The whole chain, in a process of its own."""
    torch.set_num_threads(1)
    raise SystemExit(0 if materialize_small(Path(home)).success else 1)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    FORK.set_forkserver_preload(["small_chain", "torch", "polars", "faiss", "loopback_core.training.train"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    home = tmp_path_factory.mktemp("undisturbed")
    assert materialize_small(home).success
    return ArtifactStore(home)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_chain_that_is_killed_in_every_asset_ends_as_one_that_never_was(
    undisturbed: ArtifactStore, tmp_path: Path, seed: int
) -> None:
    rng, store, killed = np.random.default_rng(seed), ArtifactStore(tmp_path), 0
    for asset in CHAIN:
        process = FORK.Process(target=make, args=(str(tmp_path),))
        process.start()
        wait_until_it_begins(tmp_path, asset, process)
        time.sleep(rng.uniform(0, undisturbed.latest(asset).manifest["seconds"]))
        killed += process.is_alive()
        process.kill()
        process.join()
        for artifact in visible(store):
            assert not artifact.damaged_files()
    assert killed > len(CHAIN) // 2
    process = FORK.Process(target=make, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == 0
    for asset in CHAIN:
        assert results(store.latest(asset)) == results(undisturbed.latest(asset)), asset
    assert not list((tmp_path / ".building").glob("*"))


def wait_until_it_begins(home: Path, asset: str, process: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.is_alive() and not list((home / ".building").glob(f"{asset}-*")):
        assert time.monotonic() < deadline, f"{asset} did not begin"
        time.sleep(0.005)
