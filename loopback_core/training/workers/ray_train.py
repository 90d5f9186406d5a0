"""Workers of Ray Train: processes that Ray starts on the machines of its cluster."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

from loopback_core.errors import WorkersError
from loopback_core.training.workers.group import LEADER, WORKERS_WAIT
from loopback_core.training.workers.worker import RESTARTS, lead_or_follow

log = logging.getLogger("loopback")


def run_on_ray(call: Path, answer: Path, workers: int) -> None:
    """Run a pickled call on workers of Ray Train; see :func:`loopback_core.training.workers.worker.lead_or_follow`.

    They run on the cluster that RAY_ADDRESS names, else on this machine. What the first of them logs is logged here.

    Raises:
        WorkersError: Ray is not installed or does not start, or a worker died more often than RESTARTS.
    """
    try:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError:
        raise WorkersError(
            "training.launcher = 'ray' needs Ray: install loopback with its extra `ray`, or set training.launcher = 'torchrun'."
        ) from None
    try:
        ray.init(ignore_reinit_error=True)
        with _records_logged_here() as records:
            TorchTrainer(
                _on_ray,
                train_loop_config={"call": str(call), "answer": str(answer), "records": records},
                # The machine that asks may be the only one without a GPU.
                scaling_config=ScalingConfig(num_workers=workers, use_gpu=bool(ray.cluster_resources().get("GPU", 0))),
                torch_config=TorchConfig(timeout_s=int(WORKERS_WAIT.total_seconds())),
                run_config=RunConfig(
                    storage_path=str(call.parent / "ray"), failure_config=FailureConfig(max_failures=RESTARTS)
                ),
            ).fit()
    except Exception as error:  # Ray raises errors of its own, of many kinds
        if answer.exists():
            return
        reason = str(error).strip().rpartition("\n")[2]
        raise WorkersError(
            f"The training on {workers} workers of Ray failed: {reason}. Start the step again: it goes on from its "
            "last checkpoint."
        ) from error


def nodes() -> int:
    """How many machines the cluster of this process has."""
    import ray

    return sum(node["Alive"] for node in ray.nodes())


@contextmanager
def _records_logged_here() -> Iterator[Any]:
    """A queue between processes; the log records that are put into it are logged by this process."""
    from ray.util.queue import Queue

    class ToTheLog(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.handle(record)

    records = Queue(actor_options={"num_cpus": 0})
    listener = QueueListener(records, ToTheLog())
    listener.start()
    try:
        yield records
    finally:
        listener.stop()
        records.shutdown()


def _on_ray(given: dict[str, Any]) -> None:
    from ray.train import get_context

    if get_context().get_world_rank() == LEADER:
        log.setLevel(logging.INFO)
        log.addHandler(QueueHandler(given["records"]))
    lead_or_follow(Path(given["call"]), Path(given["answer"]))
