"""Any file of any artifact, damaged at any byte: a step ends in the result of an undamaged home, or names the file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published import results

from loopback_core.stages import CHAIN, STAGES
from loopback_core.store.artifacts import ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]
Why = Callable[[dg.ExecuteInProcessResult], dict[str, str]]

EXAMPLES = 40

SLOW = ("baselines", "trained_towers", "trained_ranker", "evaluation")
"""Their own files are not damaged when they run: they would be made again, which takes seconds."""


def flip(path: Path, at: int, other: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << at % 8
    path.write_bytes(content)


def cut(path: Path, at: int, other: bytes) -> None:
    os.truncate(path, at % path.stat().st_size)


def append(path: Path, at: int, other: bytes) -> None:
    path.write_bytes(path.read_bytes() + other[: 1 + at % 100])


def remove(path: Path, at: int, other: bytes) -> None:
    path.unlink()


def replace_by_folder(path: Path, at: int, other: bytes) -> None:
    path.unlink()
    path.mkdir()


def replace_by_another_file(path: Path, at: int, other: bytes) -> None:
    path.write_bytes(other)


DAMAGES = (flip, cut, append, remove, replace_by_folder, replace_by_another_file)


def lineage(asset: str) -> set[str]:
    """The asset and all above it."""
    return {asset}.union(*(lineage(above) for above in STAGES[asset].upstream))


COMMANDS = [
    (step, damaged) for step in CHAIN for damaged in sorted(lineage(step)) if step not in SLOW or damaged != step
]
"""The asset that is made alone, and that of whose newest version a file is damaged."""


def test_a_step_ends_in_the_same_result_or_names_the_damaged_file(
    finished: tuple[Path, Any], tmp_path: Path, materialize: Materialize, why: Why
) -> None:
    pristine, home = finished[0], tmp_path / "home"
    store = ArtifactStore(pristine)
    undamaged = {asset: results(store.latest(asset)) for asset in CHAIN}
    files = {asset: sorted(p for p in (pristine / asset).rglob("*") if p.is_file()) for asset in CHAIN}
    everything = sorted(path for paths in files.values() for path in paths)

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(COMMANDS), st.sampled_from(DAMAGES), st.integers(0, 2**31), st.data())
    def damaged_at(command: tuple[str, str], damage: Any, at: int, data: st.DataObject) -> None:
        step, asset = command
        path = data.draw(st.sampled_from(files[asset]))
        other = data.draw(st.sampled_from([one for one in everything if one != path]))
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(pristine, home)
        damage(home / path.relative_to(pristine), at, other.read_bytes())
        result = materialize(home, f'key:"{step}"')
        if result.success:
            assert results(ArtifactStore(home).latest(step)) == undamaged[step]
        else:
            name = path.name if path.parent.name == asset else path.relative_to(pristine / asset).parts[1]
            assert name in why(result)[step], (step, path, damage.__name__)

    damaged_at()
