"""The records of a JSON document one after the other, without the document in memory: arrays of exports are long.

Python's own decoder reads each record from a window of the text, so that each comes with its raw text. A streaming
parser such as ijson does not give that, and takes quadratic memory for nested brackets.
"""

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts.layout import Head

ARRAY = re.compile(r"\s*\[")
"""The document is an array of records."""

WINDOW_BYTES = 1 << 20
LONGEST_RECORD = 1 << 24  # characters

_GAP = re.compile(r"[\s,]*")
_NOTHING = re.compile(r"\s*\Z")
_NO_OTHER_ARRAY = re.compile(r"[^\[]{0,65536}\Z")  # the rest of an object is short
_ENDS = '"]}'  # a number may go on
_DECODER = json.JSONDecoder(strict=False)  # line ends within a string are no reason to lose it


class _Window:
    """The text that was read and not used yet. Bytes that are not UTF-8 stand in it as lone surrogates."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.text, self.at, self.ended = "", 0, False
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode

    def read_on(self) -> bool:
        """Read another block; False at the end of the stream."""
        if self.ended:
            return False
        block = self._stream.read(WINDOW_BYTES)
        self.ended = not block
        self.text = self.text[self.at :] + self._decode(block, self.ended)
        self.at = 0
        return not self.ended

    def skip(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Pass what `pattern` matches here, reading on as far as needed; None if it does not match."""
        while True:
            found = pattern.match(self.text, self.at)
            whole = found and found.end() < len(self.text)
            if whole or len(self.text) - self.at > LONGEST_RECORD or not self.read_on():
                if found:
                    self.at = found.end()
                return found

    def record(self) -> tuple[object, str] | None:
        """The next value and its text; None if there is none within LONGEST_RECORD characters."""
        while True:
            end = 0
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except ValueError:  # cut off by the end of the window, or no JSON
                pass
            else:
                if end < len(self.text) or self.ended or self.text[end - 1] in _ENDS:
                    text = self.text[self.at : end]
                    self.at = end
                    return value, text
            if len(self.text) - self.at > LONGEST_RECORD or not (self.read_on() or end):
                return None


def json_records(
    stream: IO[bytes],
    path: Path,
    opening: re.Pattern[str] = ARRAY,
    opened: Callable[[re.Match[str]], object] = lambda _: None,
) -> Iterator[tuple[object, str]]:
    """The elements of the array that `opening` leads into, each with its raw text. path: the file, for sentences.

    opening: matches from the beginning of the document up to and with the bracket, or up to a record that stands alone. Documents that were joined are read on; what
    follows the array in the object that holds it is not looked at. opened: is called with what `opening` matched.

    Raises:
        BadLogError: the document is cut off, is no JSON, or has another form.
    """
    window, count = _Window(stream), 0
    try:
        while begun := window.skip(opening):
            opened(begun)
            if not begun[0].endswith("["):  # there was one record: the API of Last.fm gives it alone
                if (found := window.record()) is None:
                    raise _broken(path, count)
                count += 1
                yield found
                continue
            while True:
                window.skip(_GAP)
                if window.text[window.at : window.at + 1] == "]":
                    window.at += 1
                    break
                if (found := window.record()) is None:
                    raise _broken(path, count)
                count += 1
                yield found
    except RecursionError:
        raise _broken(path, count) from None
    if not window.skip(_NOTHING if opening is ARRAY else _NO_OTHER_ARRAY):
        raise _broken(path, count)


def _broken(path: Path, records: int) -> BadLogError:
    return BadLogError(
        f"{path} is no complete JSON: it cannot be read on after {records:,} records. Export it again, or fetch it again."
    )


def head_records(head: Head, opening: re.Pattern[str] = ARRAY) -> Iterator[dict[str, object]]:
    """The objects among the records that lie whole in the beginning of a stream."""
    try:
        for value, _ in json_records(io.BytesIO(head.content), Path(head.name), opening):
            if isinstance(value, dict):
                yield value
    except BadLogError:  # the last one is cut off
        return
