import numpy as np
import psutil
import pytest

from loopback_core.runtime.peak_memory import peak_memory

BALLAST_MB = 100


def resident_mb():
    return psutil.Process().memory_info().rss / 1e6


def test_memory_that_a_step_still_holds_at_its_end_is_seen():
    before = resident_mb()
    with peak_memory(every_seconds=3600) as memory:
        ballast = np.ones(BALLAST_MB * 1_000_000 // 8)
    assert memory.peak_mb > before + 0.9 * ballast.nbytes / 1e6


def test_memory_given_back_before_the_end_is_seen():
    looks = 0
    before = resident_mb()
    with peak_memory(every_seconds=0.001) as memory:
        ballast = np.ones(BALLAST_MB * 1_000_000 // 8)
        while memory.peak_mb < before + 0.9 * BALLAST_MB and looks < 10_000_000:
            looks += 1
        del ballast
    assert memory.peak_mb > before + 0.9 * BALLAST_MB


def test_a_failing_step_stays_an_error_and_keeps_its_peak():
    with pytest.raises(ZeroDivisionError), peak_memory() as memory:
        1 / 0  # noqa: B018
    assert memory.peak_mb > 0
