import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from loopback_assets.definitions import defs
from loopback_assets.resources import Loopback

Section = Mapping[str, Any]
Materialize = Callable[..., dg.ExecuteInProcessResult]

ASSETS = [asset for asset in defs.assets or () if isinstance(asset, dg.AssetsDefinition)]

SMALL: dict[str, dict[str, Any]] = {
    "source": {"sample_events": 10_000, "sample_users": 60},
    "towers": {"id_dim": 16, "hidden_dim": 32, "output_dim": 16},
    "training": {"epochs": 3, "batch_size": 256, "embedding_learning_rate": 0.1, "device": "cpu"},
    "evaluation": {
        "resamples": 100,
        "min_users": 5,
        "baselines": ["popularity_decayed", "personal_decayed", "recent_artist", "same_artist", "ease_artists"],
    },
    "checks": {"min_evaluation_users": 5},
}
"""A chain that takes seconds, on a sample log from which the towers still learn more than popularity."""

ENVIRONMENT = ("LOOPBACK_HOME", "LOOPBACK_SOURCE", "LOOPBACK_CONFIG", "LOOPBACK_WEBHOOK", "DAGSTER_HOME")


def _materialize(
    home: Path, select: str = "*evaluation", instance: dg.DagsterInstance | None = None, **sections: Section
) -> dg.ExecuteInProcessResult:
    merged = {name: {**SMALL.get(name, {}), **sections.get(name, {})} for name in {**SMALL, **sections}}
    return dg.materialize(
        [*ASSETS, *(defs.asset_checks or ())],
        resources={"loopback": Loopback(home=str(home), **merged)},
        selection=select,
        instance=instance or dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def _why(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    failures = result.filter_events(lambda event: event.is_step_failure)
    told = {str(event.step_key): event.step_failure_data.user_failure_data for event in failures}
    return {step: failure.description for step, failure in told.items() if failure and failure.description}


@pytest.fixture(autouse=True)
def environment_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """On small matrices several threads only wait for each other, for minutes when the machine is busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def materialize() -> Materialize:
    """materialize(home, select, instance, section={...}) -> the result of a run in this process, failed or not."""
    return _materialize


@pytest.fixture(scope="session")
def why() -> Callable[[dg.ExecuteInProcessResult], dict[str, str]]:
    """why(result) -> the sentence of each step that failed with one."""
    return _why


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dg.ExecuteInProcessResult]:
    """A home in which the whole chain ran once, and the result of that run. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("finished") / "home"
    return home, _materialize(home)


@pytest.fixture
def copied_home(finished: tuple[Path, dg.ExecuteInProcessResult], tmp_path: Path) -> Path:
    """A copy of the finished home, to be changed."""
    return Path(shutil.copytree(finished[0], tmp_path / "home"))
