"""A process that ends with the one that started it, also where that one is killed."""

import os
import threading
import time

import psutil

PARENT = "LOOPBACK_PARENT"
"""The environment variable that names the process to end with, by its id."""

SECONDS_UNTIL_NEXT_LOOK = 1.0


def end_with_parent() -> None:
    """Watch the process that PARENT names, and exit when it is gone; does nothing where it names none.

    A launcher is a process in between: without this, workers would train on, and write the same checkpoints as the next run.
    """
    if not (pid := os.environ.get(PARENT, "")).isdecimal():
        return
    threading.Thread(target=_watch, args=(int(pid),), daemon=True, name="parent").start()


def _watch(pid: int) -> None:
    try:
        parent = psutil.Process(pid)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(SECONDS_UNTIL_NEXT_LOOK)
    except psutil.NoSuchProcess:
        pass
    os._exit(1)
