"""Progress of long work: a bar in a terminal, a log line now and then everywhere else."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

log = logging.getLogger("loopback")

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts up to `total` (None: unknown) and shows it; made by :func:`progress`."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit, self.done, self.note = what, total, unit, 0, ""
        self._started = self._last_line = time.monotonic()
        interactive = sys.stderr.isatty()
        self._bar = tqdm(desc=what, total=total, unit=unit, unit_scale=True, leave=False) if interactive else None

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add `count` units of finished work; `note` (a loss, a file name) is shown after the count."""
        self.done, self.note = self.done + count, note or self.note
        if self._bar is not None:
            self._bar.set_postfix_str(self.note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info(self._line())

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def _line(self) -> str:
        rate = self.done / max(time.monotonic() - self._started, 1e-9)
        share = f" of {self.total:,} ({100 * self.done / self.total:.0f} %)" if self.total else ""
        note = f", {self.note}" if self.note else ""
        return f"{self.what}: {self.done:,}{share} {self.unit}, {rate:,.{0 if rate >= 10 else 1}f} {self.unit}/s{note}"


@contextmanager
def progress(what: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
    """Show the progress of one piece of work; always takes its bar away, also when the work fails."""
    shown = Progress(what, total, unit)
    try:
        yield shown
    finally:
        shown.close()
