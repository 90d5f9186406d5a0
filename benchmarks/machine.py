"""The rates of this machine, and the CPU used by other processes: the floors that the benchmarks compare with."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch


@dataclass(frozen=True)
class Machine:
    """Measured rates: bytes per second, and fp32 operations per second of a large matrix product."""

    memory: float
    disk_read: float  # of a file that the page cache holds, as the input of a step that follows another
    disk_write: float  # until the disk has it
    flops: float


def measure_machine(folder: Path, megabytes: int = 512) -> Machine:
    """The best of three of each. folder: on the disk in question."""
    data = np.random.default_rng(0).integers(0, 256, megabytes << 20, np.uint8)
    other, path = np.empty_like(data), folder / ".bandwidth"

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())

    square = torch.randn(2048, 2048)
    try:
        return Machine(
            memory=2 * len(data) / best_of(lambda: np.copyto(other, data)),  # read and written
            disk_write=len(data) / best_of(write),
            disk_read=len(data) / best_of(path.read_bytes),
            flops=2 * 2048**3 / best_of(lambda: square @ square),
        )
    finally:
        path.unlink(missing_ok=True)


def best_of(work, times: int = 3) -> float:
    """Seconds of the fastest of several runs, after one that warms up."""
    work()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@dataclass
class Load:
    """The CPU that other processes used, in cores; filled in at the end."""

    foreign_cores: float = 0.0


@contextmanager
def foreign_load(own_cpu_seconds) -> Iterator[Load]:
    """own_cpu_seconds: a function that says how much CPU time the measured work has used so far."""
    found, before, own, started = Load(), psutil.cpu_times(), own_cpu_seconds(), time.perf_counter()
    yield found
    after, wall = psutil.cpu_times(), time.perf_counter() - started
    idle = after.idle + after.iowait - before.idle - before.iowait
    found.foreign_cores = max(0.0, (os.cpu_count() or 1) - (idle + own_cpu_seconds() - own) / wall)


def own_process() -> float:
    """CPU seconds of this process."""
    return sum(psutil.Process().cpu_times()[:2])
