"""The launcher "pipes": workers of a training in a job of Ray, which a run of Dagster submits and follows by Dagster Pipes."""

import logging
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_core.errors import WorkersError

if TYPE_CHECKING:
    from dagster_ray import PipesRayJobClient

log = logging.getLogger("loopback")

HEARTBEAT = "waits"
"""The file, next to the call, that says to the job that its run of Dagster is there."""

HEARTBEAT_OF_THE_JOB = "works"
"""The file, next to the call, that says to the run that its job is there."""


def launch_as_ray_job(context: dg.AssetExecutionContext, call: Path, answer: Path, workers: int) -> None:
    """Run a pickled call on the workers of a job of Ray; see :func:`loopback_core.training.workers.launching.on_workers`.

    The job runs on the cluster whose dashboard RAY_API_SERVER_ADDRESS or RAY_ADDRESS names, else on the Ray of this machine.
    Its log comes into the log of the run, and what it reports is metadata of the asset. It ends with the run, however that ends.

    Raises:
        WorkersError: dagster-ray is not installed, Ray is not reached, or the job failed without an outcome.
    """
    from loopback_core.training.workers.heartbeat import heartbeat

    client = _client()
    _notice_when_gone(client, call.with_name(HEARTBEAT_OF_THE_JOB))
    with heartbeat(call.with_name(HEARTBEAT)) as mark:
        job = f"loopback-{context.run.run_id[:8]}-{mark[:8]}"
        entry = [sys.executable, "-m", "loopback_assets.ray_job", str(call), str(answer), str(workers), mark]
        path = os.pathsep.join(filter(None, sys.path))  # the step is found where this process found it
        try:
            done = client.run(
                context=context,
                submit_job_params={
                    "entrypoint": shlex.join(entry),
                    "submission_id": job,
                    "runtime_env": {"env_vars": {"PYTHONPATH": path}},
                },
            )
        except Exception as error:  # of Ray, of its dashboard, of Pipes; what the job left behind is what counts
            _stop(client, job)
            if not answer.exists():
                raise WorkersError(
                    f"The job {job} of Ray ended without an outcome: {_last_line(error)}. Its log: `ray job logs {job}`. Workers "
                    "have to reach the folder of the artifacts (LOOPBACK_HOME) by the same path as this process, and to have the "
                    "same Python with loopback. Then start the step again: it goes on from its last checkpoint."
                ) from error
            log.warning("the job %s of Ray left an outcome, but could not be followed to its end: %s", job, error)
        except BaseException:
            _stop(client, job)
            raise
        else:
            context.add_asset_metadata(_reported(done))


def _client() -> "PipesRayJobClient":
    try:
        from dagster_ray import PipesRayJobClient
    except ImportError:
        raise WorkersError(
            "training.launcher = 'pipes' needs dagster-ray: install loopback with its extra `ray`, or set "
            "training.launcher = 'torchrun'."
        ) from None
    client = PipesRayJobClient()
    try:
        client.client.get_version()
    except Exception as error:  # of Ray and of requests
        raise WorkersError(
            f"No Ray takes jobs: {_last_line(error)}. Set RAY_API_SERVER_ADDRESS to the address of its dashboard, as "
            "http://HOST:8265, or start one on this machine: ray start --head."
        ) from error
    return client


def _notice_when_gone(client: "PipesRayJobClient", file: Path) -> None:
    """Let the status of a job be an error when its heartbeat ended: Ray says RUNNING for ever of one whose node is gone."""
    from loopback_core.training.workers.heartbeat import HeartbeatListener

    file.unlink(missing_ok=True)
    listener, status_of = HeartbeatListener(file), client.client.get_job_status

    def status(job: str) -> Any:
        if listener.is_silent and listener.began:
            raise TimeoutError("it is gone, whatever Ray says of it")
        return status_of(job)

    client.client.get_job_status = status


def _stop(client: "PipesRayJobClient", job: str) -> None:
    with suppress(Exception):  # it ended, or its cluster is gone; without a heartbeat it ends by itself
        client.client.stop_job(job)


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2].rstrip(".") or type(error).__name__


def _reported(done: Any) -> dict[str, Any]:
    """The metadata that the job reported, with its id."""
    return {
        name: value
        for result in done.get_results(implicit_materializations=False)
        for name, value in result.metadata.items()
    }
