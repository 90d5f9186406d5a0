import threading

import pytest

from loopback_core.runtime import in_threads as module
from loopback_core.runtime.in_threads import in_threads


@pytest.mark.parametrize("threads", [1, 3])
def test_results_stand_in_the_order_of_the_things(monkeypatch, threads):
    monkeypatch.setattr(module, "compute_threads", lambda: {"blas": threads})
    seen = set()
    meeting = threading.Barrier(threads, timeout=60)  # broken, unless as many threads are there at the same time

    def squared(number):
        seen.add(threading.current_thread().name)
        if number < threads:
            meeting.wait()
        return number * number

    assert in_threads(squared, range(20)) == [number * number for number in range(20)]
    assert len(seen) == threads
    assert in_threads(squared, []) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_is_raised(monkeypatch, threads):
    monkeypatch.setattr(module, "compute_threads", lambda: {"blas": threads})

    def halved(number):
        if number % 2:
            raise ValueError(number)
        return number // 2

    with pytest.raises(ValueError, match="1"):
        in_threads(halved, range(6))
