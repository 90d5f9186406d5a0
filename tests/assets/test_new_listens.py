"""The sensor that starts a retrain, with Dagster's own instance: one run for one state of the log, and none on top of another."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from loopback_assets import retraining
from loopback_assets.automation import weekly_retrain
from loopback_assets.definitions import defs
from loopback_assets.new_listens import new_listens
from loopback_assets.resources import Loopback

QUEUED = dg.DagsterRunStatus.QUEUED

Materialize = Callable[..., dg.ExecuteInProcessResult]

DAGSTER_YAML = Path(__file__).parents[2] / "docs" / "dagster.yaml"
MONDAY = datetime(2026, 1, 5, 3, tzinfo=UTC)


def lines(count: int, artist: str = "Air") -> str:
    return "".join(f"ann\t2009-05-{1 + n // 24:02}T{n % 24:02}:08:57Z\t\t{artist}\t\tMer\n" for n in range(count))


def start(instance: dg.DagsterInstance, job: str = "retrain", status: dg.DagsterRunStatus = QUEUED, **run: Any) -> None:
    """A run that nothing executes, as if Dagster's daemon had started it."""
    target = LoadableTargetOrigin(module_name="loopback_assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, "loopback")
    instance.create_run_for_job(
        defs.resolve_job_def(job),
        status=status,
        remote_job_origin=RemoteRepositoryOrigin(location, "__repository__").get_job_origin(job),
        **run,
    )


class Daemon:
    """Evaluates the ticks of the sensor, keeps its cursor, and starts what it requests, as Dagster's daemon does."""

    def __init__(self, home: Path, log: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        source = {"name": str(log)}
        self.loopback = Loopback(home=str(home), source=source, automation={"min_new_listens": 5})
        self.cursor: str | None = None

    def tick(self, killed: bool = False) -> tuple[str | None, str | None]:
        """What a tick says, and the key of the run that it starts. killed: before the cursor was kept."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"loopback": self.loopback}
        )
        with context:
            tick = new_listens.evaluate_tick(context)
        for request in tick.run_requests or ():
            start(self.instance, tags={"dagster/run_key": str(request.run_key)})
        self.cursor = self.cursor if killed else tick.cursor
        keys = [request.run_key for request in tick.run_requests or ()]
        return tick.skip_message, keys[0] if keys else None


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.tsv"
    path.write_text(lines(10))
    return path


@pytest.fixture
def home(tmp_path: Path, log: Path, materialize: Materialize) -> Path:
    """A home in which the log was read."""
    assert materialize(tmp_path / "home", "*interactions", source={"name": str(log)}).success
    return tmp_path / "home"


@pytest.fixture
def daemon(tmp_path: Path, log: Path, instance: dg.DagsterInstance) -> Daemon:
    """Of a home in which nothing was read yet: all listens are new."""
    return Daemon(tmp_path / "empty", log, instance)


@pytest.fixture
def open_instance(tmp_path: Path) -> Iterator[Callable[[], dg.DagsterInstance]]:
    """open_instance() -> the instance of a DAGSTER_HOME, opened anew, with the settings that the docs give."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(DAGSTER_YAML, folder)
    opened: list[dg.DagsterInstance] = []

    def open_again() -> dg.DagsterInstance:
        while opened:
            opened.pop().dispose()
        opened.append(dg.DagsterInstance.from_config(str(folder)))
        return opened[0]

    yield open_again
    while opened:
        opened.pop().dispose()


def finish(instance: dg.DagsterInstance, *, failed: bool = False) -> None:
    """End the run that is queued."""
    (run,) = instance.get_runs(dg.RunsFilter(statuses=[QUEUED]))
    if failed:
        instance.report_run_failed(run)
    else:
        instance.report_run_canceled(run)


def test_the_sensor_waits_until_it_is_switched_on_and_looks_every_minute() -> None:
    assert new_listens.default_status is dg.DefaultSensorStatus.STOPPED
    assert (new_listens.job_name, new_listens.minimum_interval_seconds) == ("retrain", 60)
    assert "new_listens" in {sensor.name for sensor in defs.sensors or ()}


def test_a_growing_log_starts_one_run_once_it_stands_still_and_has_grown_enough(
    log: Path, home: Path, instance: dg.DagsterInstance, materialize: Materialize
) -> None:
    daemon = Daemon(home, log, instance)
    assert "counted once it stands still" in str(daemon.tick()[0])
    assert daemon.tick() == ("0 of the 5 new listens that start a retrain.", None)
    log.write_text(lines(13))
    assert "counted once it stands still" in str(daemon.tick()[0])
    assert daemon.tick() == ("3 of the 5 new listens that start a retrain (log.tsv: 3).", None)
    log.write_text(lines(16))
    daemon.tick()
    said, key = daemon.tick()
    assert said is None and key
    assert "is queued: no other is started before it ends" in str(daemon.tick()[0])
    assert materialize(home, "*interactions", source={"name": str(log)}).success
    finish(daemon.instance)
    assert daemon.tick() == ("0 of the 5 new listens that start a retrain.", None)


def test_a_run_that_failed_is_not_started_again_for_the_same_listens(daemon: Daemon, log: Path) -> None:
    daemon.tick()
    assert daemon.tick()[1]
    finish(daemon.instance, failed=True)
    said, key = daemon.tick()
    assert key is None
    assert "was started for them already and made no new interactions (FAILURE): " in str(said)
    log.write_text(lines(17))
    daemon.tick()
    assert daemon.tick()[1]


def test_what_cannot_be_read_is_said_in_the_tick(log: Path, home: Path, instance: dg.DagsterInstance) -> None:
    daemon = Daemon(home, log, instance)
    daemon.tick()
    log.rename(log.with_name("elsewhere"))
    assert str(daemon.tick()[0]).startswith(f"There is no file or folder {log}: ")
    log.with_name("elsewhere").rename(log)
    (home / "interactions" / "LATEST").write_text("nothing")
    assert "names a version of interactions that is not there" in str(daemon.tick()[0])


def test_one_and_only_one_run_is_started_when_the_daemon_is_killed_between_ticks(
    tmp_path: Path, log: Path, open_instance: Callable[[], dg.DagsterInstance]
) -> None:
    daemon = Daemon(tmp_path / "empty", log, open_instance())
    daemon.tick()
    daemon.instance = open_instance()
    _, key = daemon.tick(killed=True)  # the run is there, the cursor is that of the tick before
    daemon.instance = open_instance()
    assert "is queued" in str(daemon.tick()[0])
    finish(daemon.instance, failed=True)
    said, again = daemon.tick()
    assert again is None and "was started for them already" in str(said)
    daemon.cursor = None  # the state of the sensor was lost, too
    daemon.tick()
    assert daemon.tick()[1] is None
    assert [run.tags["dagster/run_key"] for run in daemon.instance.get_runs()] == [key]


def weekly_tick(instance: dg.DagsterInstance) -> tuple[int, str | None]:
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=MONDAY) as context:
        tick = weekly_retrain.evaluate_tick(context)
    return len(tick.run_requests or ()), tick.skip_message


def test_the_sensor_starts_no_run_on_top_of_another(daemon: Daemon) -> None:
    daemon.tick()
    for status in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING"):
        start(daemon.instance, status=dg.DagsterRunStatus(status))
        said, key = daemon.tick()
        assert key is None and "no other is started before it ends" in str(said)
        daemon.instance.delete_run(daemon.instance.get_runs()[0].run_id)
    for status in ("SUCCESS", "FAILURE", "CANCELED"):
        start(daemon.instance, status=dg.DagsterRunStatus(status))
    start(daemon.instance, "data_quality")
    assert daemon.tick()[1]


def test_the_schedule_starts_no_run_on_top_of_another_unless_that_was_killed_with_its_machine(
    open_instance: Callable[[], dg.DagsterInstance],
) -> None:
    instance = open_instance()
    start(instance, status=dg.DagsterRunStatus.STARTED)
    requested, said = weekly_tick(instance)
    assert requested == 0 and "is started: no other is started before it ends" in str(said)
    with patch.object(retraining, "HOURS", -1):  # as if its time were over
        assert weekly_tick(instance) == (1, None)


def test_every_asset_of_the_retrain_and_no_other_is_in_the_pool_and_expected_every_week() -> None:
    retrained = defs.resolve_job_def("retrain").asset_layer.executable_asset_keys
    for asset in defs.assets or ():
        assert isinstance(asset, dg.AssetsDefinition)
        (spec,) = asset.specs
        pools = {asset.op.pool}
        if spec.key in retrained:
            assert (pools, spec.freshness_policy) == ({"retrain"}, retraining.FRESHNESS)
        else:
            assert (pools, spec.freshness_policy) == ({None}, None)


def test_the_settings_that_the_docs_give_let_one_run_of_the_pool_go_at_a_time(
    open_instance: Callable[[], dg.DagsterInstance],
) -> None:
    instance = open_instance()
    pools = instance.get_concurrency_config().pool_config
    assert (pools.pool_granularity and pools.pool_granularity.value, pools.default_pool_limit) == ("run", 1)
    assert instance.freshness_enabled and instance.run_monitoring_enabled
    assert not instance.run_retries_enabled and not instance.telemetry_enabled
