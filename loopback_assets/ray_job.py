"""The program of a job of Ray: `python -m loopback_assets.ray_job CALL OUTCOME WORKERS MARK`, submitted by `ray_launcher.py`."""

import logging
import sys
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from loopback_assets.ray_launcher import HEARTBEAT, HEARTBEAT_OF_THE_JOB
from loopback_core.errors import WorkersError
from loopback_core.training.workers.heartbeat import end_without_heartbeat, heartbeat
from loopback_core.training.workers.ray_train import nodes, run_on_ray
from loopback_core.training.workers.step_outcome import StepOutcome

log = logging.getLogger("loopback")


class _ToTheRun(logging.Handler):
    """Hands what the core logs to the run of Dagster that waits for this job."""

    def __init__(self, run: logging.Logger) -> None:
        super().__init__()
        self.run = run

    def emit(self, record: logging.LogRecord) -> None:
        self.run.handle(record)


def main() -> None:
    """Train on the workers of Ray Train; the outcome is in its file, the exit status says whether there were workers."""
    call, answer = map(Path, sys.argv[1:3])
    workers, mark = int(sys.argv[3]), sys.argv[4]
    end_without_heartbeat(call.with_name(HEARTBEAT), mark)
    failed = None
    with heartbeat(call.with_name(HEARTBEAT_OF_THE_JOB)), open_dagster_pipes() as pipes:
        log.setLevel(logging.INFO)
        log.addHandler(_ToTheRun(pipes.log))
        try:
            run_on_ray(call, answer, workers)
            pipes.report_asset_materialization(metadata={"ray_workers": workers, "ray_nodes": nodes()})
        except WorkersError as error:
            StepOutcome(error=error).write(answer)
            failed = str(error)
    sys.exit(failed)


if __name__ == "__main__":
    main()
