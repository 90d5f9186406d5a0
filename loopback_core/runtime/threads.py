"""How many threads compute: the last digits of sums of floats depend on it, so it is part of a version."""

import os
from collections.abc import Mapping

import psutil


def compute_threads(environ: Mapping[str, str] = os.environ) -> dict[str, int]:
    """Library -> the threads that it will use, by its own rules and without loading it.

    torch (MKL): MKL_NUM_THREADS, else OMP_NUM_THREADS, at most one for each physical core. blas (OpenBLAS, of NumPy):
    OPENBLAS_NUM_THREADS, else OMP_NUM_THREADS. Without any of them, and at most for blas, one for each core that the
    process may run on.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or usable
    torch = _first(environ, "MKL_NUM_THREADS", "OMP_NUM_THREADS") or usable
    blas = _first(environ, "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS") or usable
    return {"torch": min(torch, physical), "blas": min(blas, usable)}


def _first(environ: Mapping[str, str], *names: str) -> int:
    """The first of these variables that holds a number above 0; else 0."""
    for name in names:
        value = environ.get(name, "").split(",")[0].strip()  # OpenMP takes a list, one number for each nesting level
        if value.isdecimal() and int(value):
            return int(value)
    return 0
