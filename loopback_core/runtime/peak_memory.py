"""How much memory a stretch of work took at its highest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass
class PeakMemory:
    """The highest resident memory of this process seen so far, in MB (10^6 bytes)."""

    peak_mb: float = 0.0


@contextmanager
def peak_memory(every_seconds: float = 0.05) -> Iterator[PeakMemory]:
    """Watch the resident memory of the process while the block runs; filled in as it goes.

    The kernel's own high-water mark covers the whole process: several steps in one process need a sampler.
    """
    seen, done, process = PeakMemory(), threading.Event(), psutil.Process()

    def look() -> None:
        seen.peak_mb = max(seen.peak_mb, process.memory_info().rss / 1e6)

    def watch() -> None:
        while not done.wait(every_seconds):
            look()

    look()
    watcher = threading.Thread(target=watch, name="peak-memory", daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
        look()
