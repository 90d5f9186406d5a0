"""The blocks of a paper: where they stand and how they are filled."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopback_core.errors import LoopbackError
from loopback_core.reporting.paper.paper_tables import KINDS, OF_RUN, OF_SEVERAL, Evaluation
from loopback_core.tasks.task_builders import TASKS


@dataclass(frozen=True)
class Block:
    """The lines `start` to `stop` of the paper, which a run fills. `marker` is what the comment above them says."""

    marker: str
    start: int
    stop: int

    @property
    def run(self) -> str:
        """Name of the run; `ablation NAME` and `seeds NAME` of what may be called like a run."""
        kind, name = self.marker.split()[:2]
        return f"{kind} {name}" if kind in OF_SEVERAL else name

    def content(self, run: Evaluation) -> list[str]:
        """What has to stand there."""
        kind, name, *task = self.marker.split()
        return KINDS[kind](run, *(task or [name])).splitlines()


def find_blocks(lines: Sequence[str]) -> list[Block]:
    """The blocks of a paper, in order.

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
            blocks.append(Block(marker, start, number - 1))
            marker = ""
        else:
            marker, start = " ".join(comment[1].split()), number
            _refuse_unknown(marker, number)
    if marker:
        raise LoopbackError(f"Line {start}: the block '{marker}' has no <!-- end -->.")
    return blocks


def fill(paper: str, runs: Mapping[str, Evaluation]) -> str:
    """The paper with the blocks of the given runs filled; those of other runs stay as they are."""
    lines = paper.splitlines()
    for block in reversed(find_blocks(lines)):
        if block.run in runs:
            lines[block.start : block.stop] = block.content(runs[block.run])
    return "\n".join(lines) + "\n"


def _refuse_unknown(marker: str, line: int) -> None:
    kind, *rest = marker.split() or [""]
    if kind not in KINDS:
        raise LoopbackError(f"Line {line}: '{marker}' is no marker; known are {', '.join(KINDS)}.")
    needed = "RUN" if kind in OF_RUN else "RUN TASK"
    if len(rest) != len(needed.split()):
        raise LoopbackError(f"Line {line}: '{marker}' must have the form '{kind} {needed}'.")
    if kind not in OF_RUN and rest[1] not in TASKS:
        raise LoopbackError(f"Line {line}: '{rest[1]}' is no task; known are {', '.join(TASKS)}.")
