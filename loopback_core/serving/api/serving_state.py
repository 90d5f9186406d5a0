"""What the routes share."""

from dataclasses import dataclass

from loopback_core.serving.api.bounded_pool import BoundedPool
from loopback_core.serving.api.problems import ProblemError
from loopback_core.serving.api.service_metrics import ServiceMetrics
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.service import Service


@dataclass(frozen=True)
class ServingState:
    """The service, the threads that compute, the one that writes, and the counters."""

    service: Service
    pool: BoundedPool
    writing: BoundedPool  # listens: a slow disk, or another program that locks them, holds up no answer
    metrics: ServiceMetrics

    @property
    def depth(self) -> int:
        """Requests that are computed or wait for it."""
        return self.pool.depth + self.writing.depth

    def loaded(self) -> LoadedBundle:
        """The bundle in service: a request takes it once, and ends on it.

        Raises:
            ProblemError: there is none yet.
        """
        loaded = self.service.loaded
        if loaded is None:
            failure = self.service.failure
            detail = failure.reason if failure else "The bundle is being loaded: ask again in a moment."
            raise ProblemError(503, detail, headers={"Retry-After": "2"})
        return loaded
