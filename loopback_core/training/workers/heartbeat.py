"""A program on another machine that ends when the process that waits for it is gone.

`runtime/parent.py` is for programs on the same machine. Here the two share nothing but a folder.
"""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loopback_core.store.atomic import write_text

SECONDS_BETWEEN_BEATS = 5.0

SECONDS_OF_SILENCE = 180.0
"""After which the process that waited counts as gone. A network file system may show its file up to a minute late."""


@contextmanager
def heartbeat(file: Path) -> Iterator[str]:
    """Touch `file` until the block ends, and remove it then. Gives the mark that it holds, which is of this call alone."""
    mark, ended = uuid.uuid4().hex, threading.Event()
    write_text(file, mark)

    def beat() -> None:
        while not ended.wait(SECONDS_BETWEEN_BEATS):
            with suppress(OSError):
                os.utime(file)

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield mark
    finally:
        ended.set()
        thread.join()
        file.unlink(missing_ok=True)


class HeartbeatListener:
    """Follows the heartbeat of another process in `file`; with a mark only the one that holds it."""

    def __init__(self, file: Path, mark: str | None = None) -> None:
        self.file, self.mark = file, mark
        self.touched, self.heard = 0, time.monotonic()

    @property
    def began(self) -> bool:
        """Whether there was a heartbeat at any time."""
        return bool(self.touched)

    @property
    def is_taken_over(self) -> bool:
        """Whether the file is gone or holds another mark."""
        try:
            return self.file.read_text("utf-8") != self.mark
        except FileNotFoundError:
            return True
        except OSError:  # of a network file system; it counts as silence
            return False

    @property
    def is_silent(self) -> bool:
        """Whether the file was not touched for SECONDS_OF_SILENCE, by the clock of this process."""
        with suppress(OSError):
            if (touched := self.file.stat().st_mtime_ns) != self.touched:
                self.touched, self.heard = touched, time.monotonic()
        return time.monotonic() - self.heard > SECONDS_OF_SILENCE


def end_without_heartbeat(file: Path, mark: str) -> None:
    """Exit when the file is gone, holds another mark, or is not touched for SECONDS_OF_SILENCE.

    Another mark: the step runs anew, and two of them must not write the same checkpoints.
    """
    threading.Thread(target=_listen, args=(HeartbeatListener(file, mark),), daemon=True, name="heartbeat").start()


def _listen(listener: HeartbeatListener) -> None:
    while not (listener.is_taken_over or listener.is_silent):
        time.sleep(SECONDS_BETWEEN_BEATS / 5)
    os._exit(1)
