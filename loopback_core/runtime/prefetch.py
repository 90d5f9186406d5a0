"""Batches are made ahead, while the step before them runs."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(batches: Iterator[T], ahead: int = 2) -> Iterator[T]:
    """The same batches in the same order; up to `ahead` of them are made in advance by one thread.

    An error in making one is raised where that batch would have come.
    """
    end = object()
    with ThreadPoolExecutor(1, "prefetch") as maker:
        made = deque(maker.submit(next, batches, end) for _ in range(ahead))
        try:
            while (batch := made.popleft().result()) is not end:
                made.append(maker.submit(next, batches, end))
                yield batch  # type: ignore[misc]
        finally:
            maker.shutdown(cancel_futures=True)
