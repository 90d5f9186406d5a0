"""Threads that compute answers, and a bounded number of requests that wait for one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from loopback_core.serving.api.problems import ProblemError

Result = TypeVar("Result")

RETRY_AFTER_SECONDS = 1


class BoundedPool:
    """Handlers that compute run here: in the event loop they would stop every other request."""

    def __init__(self, threads: int, waiting: int) -> None:
        """waiting: requests that may wait for a thread; a further one is sent away."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._most = threads + waiting
        self.depth = 0  # requests that run or wait

    async def run(self, compute: Callable[[], Result]) -> Result:
        """The result of `compute`, from a thread.

        Raises:
            ProblemError: too many requests wait already.
        """
        if self.depth >= self._most:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise ProblemError(503, "Too many requests are waiting: ask again in a moment.", headers=headers)
        self.depth += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, compute)
        finally:
            self.depth -= 1

    def close(self) -> None:
        """End the threads; what waits is not run."""
        self._executor.shutdown(wait=False, cancel_futures=True)
