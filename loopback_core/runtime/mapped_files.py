"""Memory of mapped files, given back without holding the interpreter."""

import ctypes
import re
from pathlib import Path

MAPS = Path("/proc/self/maps")

MADV_DONTNEED = 4
"""Of Linux: the pages are read from the file again should they still be needed."""

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r--. \S+ \S+ \S+ +(/.*)")


def forget_mapped(folder: Path) -> None:
    """Give back the resident pages of all files below a folder that this process maps for reading only.

    What is mapped stays mapped. Python unmaps a file while it holds the interpreter, for a time that grows with the pages
    that are resident: tens of milliseconds for some gigabytes, in which no other thread runs. Nothing is done where there is
    no /proc, as on macOS.
    """
    if not MAPS.exists():
        return
    libc, inside = (
        ctypes.CDLL(None, use_errno=True),
        f"{folder.resolve()}/",
    )  # a CDLL releases the interpreter while it runs
    for line in MAPS.read_text("utf-8", "surrogateescape").splitlines():
        if (mapping := _LINE.fullmatch(line)) and mapping[3].startswith(inside):
            start, end = int(mapping[1], 16), int(mapping[2], 16)
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)
