"""A stream of a log as its layout reads it: text in UTF-8 without a mark, with the lines counted on the way."""

import codecs
import io
from typing import IO, Any

import numpy as np

from loopback_core.listens.log_rules import BLANK, BYTE_ORDER_MARK

CACHED_BYTES = 1 << 20  # bytes: what fits into the cache
UTF16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
NEWLINE = ord("\n")


class CountedStream(io.RawIOBase):
    r"""The bytes of a stream. UTF-16 with its mark becomes UTF-8, lone "\r" of old Macs become "\n", a mark goes.

    head_bytes: how much of it `head` shows without taking it. Half of a surrogate pair in UTF-16 comes as bytes that are
    not UTF-8, so that its line is rejected like any other that is undecodable.
    """

    def __init__(self, stream: "IO[bytes] | Any", head_bytes: int) -> None:
        self._stream = stream
        self._ended = False
        self._newlines = 0
        self._tail = b""
        start = _read_up_to(stream, head_bytes)
        encoding = UTF16_MARKS.get(start[:2])
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass") if encoding else None
        self._old_mac = not encoding and b"\r" in start and b"\n" not in start
        self._ready = self._translated(start[2:] if encoding else start).removeprefix(BYTE_ORDER_MARK)
        self.head = self._ready[:head_bytes]

    @property
    def lines(self) -> int:
        """Lines read so far. One blank line at the end is none; the last line may lack its end."""
        unended = self._tail[-1:] not in (b"", b"\n")
        blank = self._tail in BLANK or self._tail.endswith(tuple(b"\n" + end for end in BLANK))
        return self._newlines + unended - blank

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "memoryview[int]", /) -> int:  # type: ignore[override]
        """Fill `buffer` with the next bytes; returns how many they are."""
        view = memoryview(buffer).cast("B")
        while not self._ready and self._translates and not self._ended:
            block = self._stream.read(len(view))
            self._ended = not block
            self._ready = self._translated(block)
        if self._ready:
            count = min(len(view), len(self._ready))
            view[:count] = self._ready[:count]
            self._ready = self._ready[count:]
        elif self._translates:
            count = 0
        elif hasattr(self._stream, "readinto"):
            count = self._stream.readinto(view) or 0
        else:
            block = self._stream.read(len(view))
            count = len(block)
            view[:count] = block
        self._count(view[:count])
        return count

    @property
    def _translates(self) -> bool:
        return self._decoder is not None or self._old_mac

    def _translated(self, block: bytes) -> bytes:
        if self._old_mac:
            return block.replace(b"\r", b"\n")
        if self._decoder is None:
            return block
        try:
            return self._decoder.decode(block, final=not block).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # half a character at the end
            return b"\xff"

    def _count(self, block: "memoryview[int]") -> None:
        for start in range(0, len(block), CACHED_BYTES):
            piece = np.frombuffer(block[start : start + CACHED_BYTES], np.uint8)
            self._newlines += int(np.count_nonzero(piece == NEWLINE))
        self._tail = (self._tail + bytes(block[-3:]))[-3:]


def _read_up_to(stream: "IO[bytes] | Any", most: int) -> bytes:
    """The first `most` bytes; fewer only where the stream has no more."""
    start = b""
    while len(start) < most and (block := stream.read(most - len(start))):
        start += block
    return start
