import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from shared_run import Run, made_once
from small_chain import materialize_small

Materialize = Callable[..., dg.ExecuteInProcessResult]

ENVIRONMENT = ("LOOPBACK_HOME", "LOOPBACK_SOURCE", "LOOPBACK_CONFIG", "LOOPBACK_WEBHOOK", "DAGSTER_HOME")


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


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that is closed after the test: left to the garbage collector it warns in the middle of another."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture(scope="session")
def materialize() -> Materialize:
    """materialize(home, select, instance, section={...}) -> the result of a run in this process, failed or not."""
    return materialize_small


@pytest.fixture(scope="session")
def why() -> Callable[[dg.ExecuteInProcessResult], dict[str, str]]:
    """why(result) -> the sentence of each step that failed with one."""
    return _why


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of all processes of this run of the tests."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def finished(shared: Path) -> tuple[Path, Run]:
    """A home in which the whole chain ran once, and that run. Not to be changed: copy it."""
    return made_once(shared / "finished", lambda home: materialize_small(home, pictures=True))


@pytest.fixture(scope="session")
def other_seed(finished: tuple[Path, Run], shared: Path) -> tuple[Path, Run]:
    """A copy of the finished home in which the chain ran again with seed 1, and that run. Not to be changed."""

    def make(home: Path) -> dg.ExecuteInProcessResult:
        return materialize_small(Path(shutil.copytree(finished[0], home)), training={"seed": 1})

    return made_once(shared / "other_seed", make)


@pytest.fixture
def copied_home(finished: tuple[Path, Run], tmp_path: Path) -> Path:
    """A copy of the finished home, to be changed."""
    return Path(shutil.copytree(finished[0], tmp_path / "home"))
