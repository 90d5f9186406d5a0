"""Memory that was freed, given back to the system."""

import ctypes
from collections.abc import Callable
from functools import cache


def give_back_memory() -> None:
    """Let the C library return what it keeps for later: after large arrays of many sizes this can be a tenth of all.

    Only glibc keeps so much, and only there anything is done.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return None
    return found
