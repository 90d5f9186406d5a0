"""Answers on their way into the log: a bounded queue and one thread, so that no request waits for the disk."""

import logging
import time
from collections.abc import Iterable
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import NamedTuple

from loopback_core.errors import LoopbackError
from loopback_core.served_quality.answer_log import MICROSECONDS_PER_DAY, AnswerLog, LoggedAnswer

log = logging.getLogger("loopback")

MOST_WAITING = 20_000
"""Answers that wait for the disk; more are not kept."""

SECONDS_BETWEEN_WRITES = 0.5
"""What a process has answered since its last write is lost with it when it is killed."""

SECONDS_BETWEEN_DELETIONS = 3_600.0

SECONDS_TO_END = 5.0
"""For the last write of a service that ends."""


class LogCounts(NamedTuple):
    """What became of answers since the start."""

    kept: int = 0
    lost: int = 0


class AnswerWriter:
    """Writes answers into a log. What cannot be written is counted, and said once in the log of the service."""

    def __init__(self, answers: AnswerLog, keep_days: float) -> None:
        """keep_days: answers that are older are deleted."""
        self.answers, self._keep_days = answers, keep_days
        self._waiting: Queue[LoggedAnswer] = Queue(MOST_WAITING)
        self._counts, self._counting = LogCounts(), Lock()
        self._said = False  # that something was lost, since the last write that went well
        self._deleted_at = float("-inf")
        self._ending = Event()
        self._thread = Thread(target=self._run, name="answers", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> LogCounts:
        """So far."""
        return self._counts

    def put(self, answers: Iterable[LoggedAnswer]) -> None:
        """Keep answers soon. Returns at once, also where there is no room for them."""
        for one in answers:
            try:
                self._waiting.put_nowait(one)
            except Full:
                self._count(lost=1)
                self._say(f"{MOST_WAITING:,} answers wait to be written already")

    def close(self) -> None:
        """Write what waits, and end."""
        self._ending.set()
        self._thread.join(SECONDS_TO_END)
        self.answers.close()

    def _run(self) -> None:
        while not self._ending.wait(SECONDS_BETWEEN_WRITES):
            self._write()
            self._delete_old()
        self._write()

    def _write(self) -> None:
        batch: list[LoggedAnswer] = []
        try:
            while len(batch) < MOST_WAITING:
                batch.append(self._waiting.get_nowait())
        except Empty:
            pass
        if not batch:
            return
        try:
            self.answers.add(batch)
        except Exception as error:  # whatever it is, the next answers are tried again
            self._count(lost=len(batch))
            self._say(str(error) if isinstance(error, LoopbackError) else f"{type(error).__name__}: {error}")
        else:
            self._count(kept=len(batch))
            self._said = False

    def _delete_old(self) -> None:
        if time.monotonic() < self._deleted_at + SECONDS_BETWEEN_DELETIONS:
            return
        self._deleted_at = time.monotonic()
        try:
            self.answers.delete_before(time.time_ns() // 1_000 - int(self._keep_days * MICROSECONDS_PER_DAY))
        except Exception as error:
            log.error("old answers are not deleted: %s", error)

    def _count(self, kept: int = 0, lost: int = 0) -> None:
        with self._counting:
            self._counts = LogCounts(self._counts.kept + kept, self._counts.lost + lost)

    def _say(self, reason: str) -> None:
        if not self._said:
            log.error("answers are not logged, requests go on: %s", reason)
        self._said = True
