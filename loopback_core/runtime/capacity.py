"""Checks of memory and disk before a step starts."""

import shutil
from pathlib import Path

import psutil

from loopback_core.errors import RoomError

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that this process can still take: of the machine, or of the container where that has less."""
    free = int(psutil.virtual_memory().available)
    try:  # of a container, whose limit the machine's own figures do not know
        limit = (CGROUP / "memory.max").read_text().strip()
        reclaimable = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        used = int((CGROUP / "memory.current").read_text()) - int(reclaimable.get("inactive_file", 0))
    except (OSError, ValueError):
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - used))


def need_memory(needed: int, what: str, advice: str) -> None:
    """needed: bytes beyond what the process holds now. advice: what makes it less, a part of a sentence.

    Raises:
        RoomError: there is less.
    """
    if (free := available_memory()) < needed:
        raise RoomError(
            f"{what} takes about {_gigabytes(needed)} of memory and {_gigabytes(free)} are free: close other programs, take a "
            f"larger machine, or {advice}."
        )


def need_disk(folder: Path, needed: int, what: str) -> None:
    """needed: bytes that will be written on the disk of `folder`, at their most.

    Raises:
        RoomError: there is less.
    """
    if (free := shutil.disk_usage(folder).free) < needed:
        raise RoomError(
            f"{what} writes about {_gigabytes(needed)} and the disk of {folder} has {_gigabytes(free)} left: free some "
            "space, or point LOOPBACK_HOME at a larger disk."
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
