"""A program on another machine that ends when the process that waits for it is gone.

`runtime/parent.py` is for programs on the same machine. Here the two share nothing but a folder.
"""

import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loopback_core.store.atomic import write_text

log = logging.getLogger("loopback")

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


def end_without_heartbeat(file: Path, mark: str) -> None:
    """Exit when the file is gone, holds another mark, or is not touched for SECONDS_OF_SILENCE.

    Another mark: the step runs anew, and two of them must not write the same checkpoints.
    """
    threading.Thread(target=_listen, args=(file, mark), daemon=True, name="heartbeat").start()


def _listen(file: Path, mark: str) -> None:
    touched, heard = 0, time.monotonic()
    while True:
        try:
            if file.read_text("utf-8") != mark:
                break
            if (now := file.stat().st_mtime_ns) != touched:
                touched, heard = now, time.monotonic()
        except FileNotFoundError:
            break
        except OSError as error:
            log.warning("%s is not read: %s", file, error)
        if time.monotonic() - heard > SECONDS_OF_SILENCE:
            break
        time.sleep(SECONDS_BETWEEN_BEATS / 5)
    os._exit(1)
