"""A training in a job of Ray, as a run of Dagster sees it. The job is a process of this machine; Ray itself is left out."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from loopback_assets.ray_launcher import launch_as_ray_job
from loopback_assets.resources import Loopback
from loopback_core.errors import WorkersError
from loopback_core.settings import TrainingSettings
from loopback_core.training.workers import heartbeat
from loopback_core.training.workers.launching import on_workers

TWO = TrainingSettings(objective="sampled", workers=2, launcher="pipes")

SECONDS = 60

JOB = """
import logging, pickle
from loopback_assets import ray_job
from loopback_core.training.workers.step_outcome import StepOutcome

def run(call, answer, workers):
    logging.getLogger("loopback").info("epoch 1 of %d workers", workers)
    step, arguments, _ = pickle.loads(call.read_bytes())
    StepOutcome(step(*arguments)).write(answer)

ray_job.run_on_ray, ray_job.nodes = run, lambda: 3
ray_job.main()
"""
"""The program of the job without the workers of Ray Train: it runs the step itself."""


class FakeJobs:
    """Stands for `ray.job_submission.JobSubmissionClient`: each job is a process."""

    processes: ClassVar[dict[str, subprocess.Popen[str]]] = {}
    reachable: ClassVar[bool] = True
    interrupts: ClassVar[bool] = False
    forgets: ClassVar[bool] = False

    def __init__(self, **_: Any) -> None:
        pass

    def get_version(self) -> str:
        if not self.reachable:
            raise ConnectionError("Failed to connect to Ray at address: http://127.0.0.1:8265.")
        return "1"

    def get_address(self) -> str:
        return "http://127.0.0.1:8265"

    def submit_job(self, entrypoint: str, submission_id: str, runtime_env: dict[str, Any], **_: Any) -> str:
        python, of_module, module, *arguments = shlex.split(entrypoint)
        assert (of_module, module) == ("-m", "loopback_assets.ray_job")
        self.processes[submission_id] = subprocess.Popen(
            [python, "-c", JOB, *arguments],
            env={**os.environ, **runtime_env["env_vars"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return submission_id

    def get_job_status(self, job: str) -> Any:
        from ray.job_submission import JobStatus

        if self.interrupts:
            raise DagsterExecutionInterruptedError
        status = None if self.forgets else self.processes[job].poll()
        return JobStatus.RUNNING if status is None else JobStatus.FAILED if status else JobStatus.SUCCEEDED

    def get_job_info(self, job: str) -> SimpleNamespace:
        return SimpleNamespace(message=f"Job entrypoint command failed with exit code {self.processes[job].returncode}")

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        output = self.processes[job_id].stdout
        assert output is not None
        for line in output:
            yield line

    def stop_job(self, job: str) -> bool:
        self.processes[job].kill()
        return True


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> type[FakeJobs]:
    pytest.importorskip("dagster_ray", reason="needs the extra `ray`")
    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", FakeJobs)
    monkeypatch.setattr(FakeJobs, "processes", {})
    return FakeJobs


def trained(
    step: Callable[..., Any], folder: Path, instance: dg.DagsterInstance
) -> tuple[dg.ExecuteInProcessResult, list[Any]]:
    """A run whose one asset calls the step on two workers of a job; and what it returned, or raised."""
    outcomes: list[Any] = []

    @dg.asset
    def towers(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        def launch(call: Path, answer: Path, workers: int) -> None:
            launch_as_ray_job(context, call, answer, workers)

        try:
            outcomes.append(on_workers(step, (folder / "told",), TWO, folder, launch=launch))
        except BaseException as error:
            outcomes.append(error)
            raise
        return dg.MaterializeResult(metadata={"loss": 1.5})

    return dg.materialize([towers], instance=instance, raise_on_error=False), outcomes


def returns(told: Path) -> int:
    return 5


def dies(told: Path) -> None:
    os._exit(3)


def has_no_workers(told: Path) -> None:
    raise WorkersError("Ray has no room for the workers.")


def waits(told: Path) -> None:
    time.sleep(SECONDS)


def test_outcome_log_and_metadata_of_the_job_come_into_the_run(jobs, tmp_path, instance):
    run, outcomes = trained(returns, tmp_path, instance)
    assert outcomes == [5]
    assert "epoch 1 of 2 workers" in [entry.user_message for entry in instance.all_logs(run.run_id)]
    [event] = run.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    [job] = jobs.processes
    assert metadata == {"loss": 1.5, "Ray Job ID": job, "ray_workers": 2, "ray_nodes": 3}
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_dies_is_a_sentence_that_names_it(jobs, tmp_path, instance):
    _, [error] = trained(dies, tmp_path, instance)
    [job] = jobs.processes
    assert isinstance(error, WorkersError)
    assert str(error).startswith(
        f"The job {job} of Ray ended without an outcome: Job entrypoint command failed with exit code 3. "
        f"Its log: `ray job logs {job}`."
    )


def test_a_job_without_workers_fails_and_its_sentence_comes_into_the_run(jobs, tmp_path, instance):
    _, [error] = trained(has_no_workers, tmp_path, instance)
    [process] = jobs.processes.values()
    assert process.returncode == 1
    assert isinstance(error, WorkersError)
    assert str(error) == "Ray has no room for the workers."


def test_a_run_that_is_ended_ends_its_job(jobs, tmp_path, instance, monkeypatch):
    monkeypatch.setattr(jobs, "interrupts", True)
    _, [error] = trained(waits, tmp_path, instance)
    assert isinstance(error, DagsterExecutionInterruptedError)
    [process] = jobs.processes.values()
    assert process.wait(SECONDS / 2)


def test_the_outcome_of_a_job_counts_also_when_ray_says_for_ever_that_it_runs(jobs, tmp_path, instance, monkeypatch):
    monkeypatch.setattr(jobs, "forgets", True)
    monkeypatch.setattr(heartbeat, "SECONDS_OF_SILENCE", 2 * heartbeat.SECONDS_BETWEEN_BEATS)
    _, outcomes = trained(returns, tmp_path, instance)
    assert outcomes == [5]


def test_where_no_ray_answers_the_sentence_names_the_variable_that_says_where_it_is(
    jobs, tmp_path, instance, monkeypatch
):
    monkeypatch.setattr(jobs, "reachable", False)
    _, [error] = trained(returns, tmp_path, instance)
    assert str(error).startswith(
        "No Ray takes jobs: Failed to connect to Ray at address: http://127.0.0.1:8265. Set RAY_API_SERVER_ADDRESS"
    )


def test_without_dagster_ray_the_sentence_names_the_extra(tmp_path, instance, monkeypatch):
    monkeypatch.setitem(sys.modules, "dagster_ray", None)
    _, [error] = trained(returns, tmp_path, instance)
    assert "install loopback with its extra `ray`" in str(error)


def test_without_a_run_of_dagster_the_launcher_is_refused(tmp_path):
    with pytest.raises(WorkersError, match="is for runs of Dagster"):
        on_workers(returns, (tmp_path,), TWO, tmp_path)


@pytest.mark.parametrize("launcher", ["torchrun", "ray", "pipes"])
def test_the_run_starts_the_workers_itself_where_the_settings_say_pipes(tmp_path, launcher):
    launches = []

    @dg.asset
    def towers(context: dg.AssetExecutionContext, loopback: Loopback) -> None:
        launches.append(loopback.step(context).launch)

    loopback = Loopback(home=str(tmp_path), training={"launcher": launcher})
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([towers], resources={"loopback": loopback}, instance=instance)
    assert [launch is not None for launch in launches] == [launcher == "pipes"]
