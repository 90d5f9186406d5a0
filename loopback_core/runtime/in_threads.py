"""The same function of many things, by as many threads as compute."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from loopback_core.runtime.threads import compute_threads

Each = TypeVar("Each")
Made = TypeVar("Made")


def in_threads(function: Callable[[Each], Made], things: Sequence[Each]) -> list[Made]:
    """The results in the order of the things, which no thread count changes. The first error is raised.

    It pays where most of the time is spent in long arrays, since NumPy then lets go of the interpreter's lock.
    """
    threads = min(compute_threads()["blas"], len(things))
    if threads < 2:
        return [function(thing) for thing in things]
    with ThreadPoolExecutor(threads, "compute") as pool:
        return list(pool.map(function, things))
