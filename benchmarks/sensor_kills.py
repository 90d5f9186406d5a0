"""SIGKILL at random moments of the sensor `new_listens`: one run is started for each state of the log, none twice, none left out.

    uv run python benchmarks/sensor_kills.py [--kills 50] [--folder PATH]

What Dagster's daemon does for a sensor runs in a process of its own, over a real DAGSTER_HOME with the settings of docs/dagster.yaml.
Each round the log grows, the process is killed at a moment drawn from the time that its ticks take, and another one goes on. After
it there has to be exactly one run for each state of the log, with a key of its own. It is canceled before the next round, since runs
of `retrain` do not pile up. Nothing takes runs from the queue here.
"""

import argparse
import logging
import multiprocessing
import os
import shutil
import sys
import time
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import numpy as np
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon import sensor as sensor_daemon

TICKS = 4
"""Of a round: one sees that the log grew, one that it stands still, two have nothing to do."""

RUN_KEY = "dagster/run_key"

DAGSTER_YAML = Path(__file__).parents[1] / "docs" / "dagster.yaml"

SETTINGS = """
[automation]
min_new_listens = 1
"""


def take_ticks(dagster_home: Path) -> None:
    """What the daemon does every minute, so many times without the minutes between."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="loopback_assets.definitions")
    origin = InProcessCodeLocationOrigin(target, location_name="loopback")
    with (
        dg.DagsterInstance.from_config(str(dagster_home)) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
        patch.object(sensor_daemon, "is_under_min_interval", return_value=False),
    ):
        [location] = workspace.create_request_context().code_locations
        [repository] = location.get_repositories().values()
        instance.start_sensor(repository.get_sensor("new_listens"))
        for _ in range(TICKS):
            for _ in sensor_daemon.execute_sensor_iteration(workspace, logging.getLogger("daemon"), None, None):
                pass


def run_ticks(dagster_home: Path, kill_after: float | None = None) -> bool:
    """Take the ticks in another process; whether it was killed."""
    process = multiprocessing.get_context("fork").Process(target=take_ticks, args=(dagster_home,))
    process.start()
    process.join(kill_after)
    if was_running := process.is_alive():
        process.kill()
        process.join()
    elif process.exitcode:
        raise AssertionError(f"the ticks failed with exit code {process.exitcode}")
    return was_running


def refuse_other_than_one_run_each(dagster_home: Path, states: int) -> None:
    """Raise unless there is one run for each state; cancel the newest."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        runs = instance.get_runs()
        keys = {run.tags[RUN_KEY] for run in runs}
        if not len(runs) == len(keys) == states:
            raise AssertionError(f"{states} states of the log, {len(keys)} keys, {len(runs)} runs")
        queued = [run for run in runs if run.status is dg.DagsterRunStatus.QUEUED]
        if queued != runs[:1]:
            raise AssertionError(f"the newest run is not the only one in the queue: {[run.status for run in runs]}")
        instance.report_run_canceled(runs[0])


def main() -> None:
    """Kill the ticks, print a line of the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path(".loopback/benchmarks/sensor_kills"))
    given = parser.parse_args()
    folder = given.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    dagster_home, log, settings = folder / "dagster", folder / "log.tsv", folder / "settings.toml"
    dagster_home.mkdir(parents=True)
    shutil.copy(DAGSTER_YAML, dagster_home)
    settings.write_text(SETTINGS, "utf-8")
    os.environ |= {"LOOPBACK_HOME": str(folder / "home"), "LOOPBACK_SOURCE": str(log), "LOOPBACK_CONFIG": str(settings)}

    def grow(state: int) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"ann\t2009-05-01T{state // 60:02}:{state % 60:02}:00Z\t\tAir\t\tMer\n")

    grow(0)
    started = time.monotonic()
    run_ticks(dagster_home)
    seconds = time.monotonic() - started
    refuse_other_than_one_run_each(dagster_home, 1)
    rng = np.random.default_rng(0)
    killed = 0
    for number in range(1, given.kills + 1):
        grow(number)
        killed += run_ticks(dagster_home, float(rng.uniform(0.05, 1.05)) * seconds)
        run_ticks(dagster_home)
        refuse_other_than_one_run_each(dagster_home, number + 1)
    print("| sensor | kills | while it ran | seconds undisturbed | runs |")
    print("| --- | ---: | ---: | ---: | --- |")
    print(f"| `new_listens` | {given.kills} | {killed} | {seconds:.1f} | one for each state of the log |")


if __name__ == "__main__":
    main()
