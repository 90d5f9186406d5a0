"""A step of the graph on several workers, by the launcher of the settings."""

import logging
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from loopback_core.errors import WorkersError
from loopback_core.runtime.parent import PARENT
from loopback_core.runtime.threads import compute_threads
from loopback_core.settings import TrainingSettings
from loopback_core.store.atomic import replacing
from loopback_core.training.workers.ray_train import run_on_ray
from loopback_core.training.workers.step_outcome import StepOutcome
from loopback_core.training.workers.worker import FAILED, RESTARTS, failure_file

log = logging.getLogger("loopback")

NEW_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
"""Workers that are started again do not find the addresses of those before them, which nobody answers."""

LINES_KEPT = 60
"""Of what the workers wrote, for the error when they fail."""

Returned = TypeVar("Returned")

Launch = Callable[[Path, Path, int], None]
"""Runs a pickled call on so many workers: (its file, the file of the outcome, workers). Returns when the outcome is there."""


def on_workers(
    step: Callable[..., Returned],
    arguments: tuple[Any, ...],
    training: TrainingSettings,
    folder: Path,
    writes: Path | None = None,
    launch: Launch | None = None,
) -> Returned:
    """What `step(*arguments)` returns, with its trainings shared by `training.workers` processes.

    The step runs on the first of them; the others take part in its trainings. step: a function of a module; it goes on
    from its own checkpoints when it is called again. folder: where the call and its outcome are put, on a file system that
    the first worker reads. writes: the folder that the step fills; it is empty whenever the step is called again.
    launch: starts the workers in place of what `training.launcher` names in LAUNCHERS.

    Raises:
        WorkersError: a worker died more often than RESTARTS, the step failed twice in the same way, or the launcher does not start.
        LoopbackError: what the step raises.
    """
    if training.workers == 1:
        return step(*arguments)
    call, answer = folder / "call.pickle", folder / "outcome.pickle"
    folder.mkdir(parents=True, exist_ok=True)
    for left in (answer, failure_file(answer)):
        left.unlink(missing_ok=True)
    with replacing(call) as new:
        new.write_bytes(pickle.dumps((step, arguments, writes)))
    log.info("%d workers train, started by %s", training.workers, training.launcher)
    (launch or LAUNCHERS[training.launcher])(call, answer, training.workers)
    outcome: StepOutcome = pickle.loads(answer.read_bytes())
    for path in (call, answer, failure_file(answer)):
        path.unlink(missing_ok=True)
    if outcome.error is not None:
        raise outcome.error
    result: Returned = outcome.result
    return result


def _by_torchrun(call: Path, answer: Path, workers: int) -> None:
    """All workers on this machine; they are watched, and started again together when one dies."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
    command += [f"--max-restarts={RESTARTS}", "-m", "loopback_core.training.workers.worker", str(call), str(answer)]
    threads = max(1, compute_threads()["torch"] // workers)
    environment = {**os.environ, **NEW_STORE, "OMP_NUM_THREADS": str(threads), PARENT: str(os.getpid())}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # the step is found where this process found it
    last: deque[str] = deque(maxlen=LINES_KEPT)
    reason = ""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        try:
            for line in run.stdout:
                last.append(line.rstrip())
                log.info("%s", last[-1])
                reason = last[-1] if last[-1].startswith(FAILED) else reason
        except BaseException:
            run.terminate()
            raise
    if not answer.exists():
        raise WorkersError(
            f"The training on {workers} workers failed {RESTARTS + 1} times. {reason}\nIts last lines:\n"
            + "\n".join(last)
            + "\nStart the step again: it goes on from its last checkpoint; or train with training.workers = 1."
        )


def _by_a_run_of_dagster(call: Path, answer: Path, workers: int) -> None:
    raise WorkersError(
        "training.launcher = 'pipes' is for runs of Dagster; here set training.launcher = 'ray' or 'torchrun'."
    )


LAUNCHERS: dict[str, Launch] = {"torchrun": _by_torchrun, "ray": run_on_ray, "pipes": _by_a_run_of_dagster}
"""By the name in `training.launcher`. That of "pipes" is handed in by the step that runs in Dagster."""
