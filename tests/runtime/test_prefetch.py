import threading

import pytest

from loopback_core.runtime.prefetch import prefetch


def test_the_batches_are_the_same_in_the_same_order():
    assert list(prefetch(iter(range(50)))) == list(range(50))
    assert list(prefetch(iter([]))) == []


def test_the_next_batches_are_made_while_one_is_used():
    made = threading.Semaphore(0)

    def batches():
        for number in range(4):
            made.release()
            yield number

    asked = prefetch(batches(), ahead=2)
    assert next(asked) == 0
    assert all(made.acquire(timeout=10) for _ in range(3))  # 0, and 1 and 2 although they were not requested yet


def test_an_error_comes_in_the_place_of_its_batch():
    def batches():
        yield 1
        raise ValueError("no such track")

    asked = prefetch(batches())
    assert next(asked) == 1
    with pytest.raises(ValueError, match="no such track"):
        next(asked)


def test_a_loop_that_ends_early_leaves_no_thread_behind():
    for number in prefetch(iter(range(1000))):
        if number == 3:
            break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
