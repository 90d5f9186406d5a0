"""The blocks of a document: where they stand and how they are filled."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loopback_core.errors import LoopbackError
from loopback_core.reporting.paper.documents import BLOCK_KINDS, OF_TASK, Documents, option_of
from loopback_core.tasks.task_builders import TASKS


@dataclass(frozen=True)
class DocumentBlock:
    """The lines `start` to `stop` of a document. `marker` is what the comment above them says: KIND RUN [TASK]."""

    marker: str
    start: int
    stop: int

    @property
    def source(self) -> tuple[str, str]:
        """(option of the command, name) of the JSON file that fills it."""
        kind, name = self.marker.split()[:2]
        return option_of(kind), name

    def content(self, documents: Documents) -> list[str] | None:
        """The lines that belong there; None when its JSON file is not given."""
        text = documents.text(*self.marker.split())
        return None if text is None else text.splitlines()


def find_blocks(lines: Sequence[str]) -> list[DocumentBlock]:
    """The blocks of a document, in order.

    Raises:
        LoopbackError: a marker or its task is unknown, or a block has no end.
    """
    blocks, marker, start = [], "", 0
    for number, line in enumerate(lines, 1):
        if (comment := re.fullmatch(r"<!--\s*(.*?)\s*-->\s*", line)) is None:
            continue
        if (comment[1] == "end") != bool(marker):
            raise LoopbackError(f"Line {number}: {line.strip()} is out of place; a block ends before the next begins.")
        if marker:
            blocks.append(DocumentBlock(marker, start, number - 1))
            marker = ""
        else:
            marker, start = " ".join(comment[1].split()), number
            _refuse_unknown(marker, number)
    if marker:
        raise LoopbackError(f"Line {start}: the block '{marker}' has no <!-- end -->.")
    return blocks


def fill(text: str, documents: Documents) -> str:
    """The document with the blocks of the given files filled; the other blocks stay as they are."""
    lines = text.splitlines()
    for block in reversed(find_blocks(lines)):
        if (content := block.content(documents)) is not None:
            lines[block.start : block.stop] = content
    return "\n".join(lines) + "\n"


def _refuse_unknown(marker: str, line: int) -> None:
    kind, *rest = marker.split() or [""]
    if kind not in BLOCK_KINDS:
        raise LoopbackError(f"Line {line}: '{marker}' is not a marker; known are {', '.join(BLOCK_KINDS)}.")
    needed = "RUN TASK" if kind in OF_TASK else "RUN"
    if len(rest) != len(needed.split()):
        raise LoopbackError(f"Line {line}: '{marker}' must have the form '{kind} {needed}'.")
    if kind in OF_TASK and rest[1] not in TASKS:
        raise LoopbackError(f"Line {line}: '{rest[1]}' is not a task; known are {', '.join(TASKS)}.")
