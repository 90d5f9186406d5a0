"""A group of workers in forked processes: as a launcher starts them, without its seconds."""

import multiprocessing
import os
import socket
from pathlib import Path

import torch

from loopback_core.training.workers.worker import lead_or_follow


def run_forked(workers: int, call: Path, answer: Path) -> None:
    """Run a pickled call on `workers` processes; raises AssertionError where one of them fails and there is no outcome.

    Where there is one, they are started again once, as by a launcher, and have to end with it.
    """
    if failed(workers, call, answer):
        assert answer.exists() and not failed(workers, call, answer)


def failed(workers: int, call: Path, answer: Path) -> bool:
    """Whether a process failed."""
    context = multiprocessing.get_context("fork")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [context.Process(target=_work, args=(rank, workers, port, call, answer)) for rank in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return any(process.exitcode for process in processes)


def _work(rank: int, workers: int, port: int, call: Path, answer: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(workers), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    lead_or_follow(call, answer)
