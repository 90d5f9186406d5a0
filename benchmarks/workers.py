"""What several workers make of a training: listens per second and memory, against one process, in turns.

    uv run python benchmarks/workers.py [--workers N ...] [--tracks N] [--epochs N] [--rounds N] [--batch-size N]

Every number of workers trains the recipe `default` on the same drawn ids (benchmarks/training_step.py), each process with one
thread, so that two workers on two cores can at best be twice as fast as one. Starting the processes is not counted; the
first epoch of each training is for warming up. Memory is the largest of any worker, and the table's rows per worker are said.
"""

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}  # before numpy and torch are loaded

import numpy as np
from machine import foreign_load
from training_step import drawn_ids
from worker_training import epochs_of

from loopback_core.settings import load_settings
from loopback_core.training.workers.launching import on_workers


def main() -> None:
    """Train in turns and print a row for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tracks", type=int, default=92_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int)
    given = parser.parse_args()
    data = drawn_ids(given.tracks)
    rates: dict[int, list[float]] = {workers: [] for workers in given.workers}
    memory: dict[int, float] = {}
    with foreign_load(cpu_seconds) as load:
        for _ in range(given.rounds):
            for workers in given.workers:
                batch = {} if given.batch_size is None else {"batch_size": given.batch_size}
                chosen = {"preset": "default", "recipe": "given", "workers": workers, "epochs": given.epochs, **batch}
                settings = load_settings({"training": {**chosen, "device": "cpu"}}, environ={})
                with tempfile.TemporaryDirectory() as folder:
                    arguments = (data, settings, Path(folder) / "checkpoints")
                    found = on_workers(epochs_of, arguments, settings.training, Path(folder))
                rates[workers].append(float(np.median(found.rates[1:])))
                memory[workers] = max(found.memory, memory.get(workers, 0))
    print(f"{len(data.events):,} listens, {given.tracks:,} tracks; median of {given.rounds} trainings")
    print("| workers | targets/s | of one | memory of the leader, MB |\n| ---: | ---: | ---: | ---: |")
    one = np.median(rates[given.workers[0]])
    for workers, measured in rates.items():
        print(f"| {workers} | {np.median(measured):,.0f} | {np.median(measured) / one:.2f} | {memory[workers]:,.0f} |")
    print(f"CPU used by other processes: {load.foreign_cores:.1f} cores")


def cpu_seconds() -> float:
    """Of this process and of the workers that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
