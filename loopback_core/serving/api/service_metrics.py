"""What Prometheus reads of the service."""

import os
import time
from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from loopback_core.serving.answer_writer import LogCounts
from loopback_core.serving.answering import Answer
from loopback_core.serving.service import Service

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

SEVERAL_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which the workers of one service add up their numbers."""


class ServiceMetrics:
    """Counters of one process; with several workers those of all of them are shown."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter(
            "loopback_requests_total",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "loopback_request_seconds",
            "Time of a request by route and status.",
            ("route", "status"),
            buckets=SECONDS,
            registry=registry,
        )
        self.stages = Histogram(
            "loopback_stage_seconds", "Time of a stage of an answer.", ("stage",), buckets=SECONDS, registry=registry
        )
        self.fallbacks = Counter(
            "loopback_fallbacks_total", "Answers to people of whom nothing is known.", registry=registry
        )
        self.empty = Counter("loopback_empty_answers_total", "Answers without a track.", registry=registry)
        self.stored = Counter("loopback_listens_stored_total", "Listens that were stored.", registry=registry)
        self.logged = Counter("loopback_answers_logged_total", "Answers that were kept in the log.", registry=registry)
        self.unlogged = Counter(
            "loopback_answers_not_logged_total", "Answers that the log had no room for.", registry=registry
        )
        self._counted = LogCounts()  # those of the log that both hold already
        self.depth = _gauge("loopback_pool_depth", "Requests that are computed or wait for it.", registry, "livesum")
        self.age = _gauge("loopback_bundle_age_seconds", "Age of the bundle in service.", registry, "max")
        self.exchanges = _gauge(
            "loopback_bundle_exchanges", "Bundles put into service since the start.", registry, "max"
        )
        self.failed = _gauge(
            "loopback_bundle_failed", "1 while the bundle that should be served is not.", registry, "max"
        )

        self.challenger_share = _gauge(
            "loopback_challenger_share",
            "Share of the users who get the challenger; 0: there is none.",
            registry,
            "livemin",
        )
        self.challenger_failed = _gauge(
            "loopback_challenger_failed", "1 while a bundle that should be compared answers nobody.", registry, "max"
        )
        self.block_list_failed = _gauge(
            "loopback_block_list_failed", "1 while the newest block list cannot be read.", registry, "max"
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route, str(status)).observe(seconds)

    def count_answers(self, answers: list[Answer]) -> None:
        """Count what was answered together."""
        for stage, milliseconds in answers[0].milliseconds.items():
            self.stages.labels(stage).observe(milliseconds / 1e3)
        self.fallbacks.inc(sum(answer.fallback is not None for answer in answers))
        self.empty.inc(sum(not answer.items for answer in answers))

    def observe(self, service: Service, depth: int) -> None:
        """Set the numbers that are not counted."""
        self.depth.set(depth)
        self.exchanges.set(service.exchanges)
        self.failed.set(service.failure is not None)
        self.challenger_share.set(service.challenger.challenge.share if service.challenger else 0)
        self.challenger_failed.set(service.challenger_failure is not None)
        self.block_list_failed.set(service.block_list.failure is not None)
        if service.answers is not None:
            counts, before = service.answers.counts, self._counted
            self.logged.inc(counts.kept - before.kept)
            self.unlogged.inc(counts.lost - before.lost)
            self._counted = counts
        if service.loaded is not None:
            self.age.set(age_seconds(service.loaded.created))

    def text(self) -> tuple[bytes, str]:
        """All numbers as Prometheus reads them, and their content type."""
        registry = self._registry
        if SEVERAL_PROCESSES in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def age_seconds(created: str) -> float:
    """Seconds since an artifact was made. created: ISO 8601, UTC."""
    return time.time() - datetime.fromisoformat(created).astimezone(UTC).timestamp()


def _gauge(name: str, text: str, registry: CollectorRegistry, of_processes: str) -> Gauge:
    return Gauge(name, text, registry=registry, multiprocess_mode=of_processes)  # type: ignore[arg-type]
