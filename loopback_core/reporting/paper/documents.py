"""The JSON files that blocks are filled from, by the name that the command gives them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from loopback_core.errors import ArtifactError, LoopbackError
from loopback_core.evaluation.ablation_json import Ablation, read_ablation
from loopback_core.evaluation.evaluation_json import Evaluation, read_evaluation
from loopback_core.reporting.paper import paper_tables
from loopback_core.reporting.paper.seeds_tables import seeds_table, seeds_verdict
from loopback_core.reporting.report.ablation_section import ablation_text
from loopback_core.reporting.seeds_json import Seeds, read_seeds

OF_RUN: dict[str, Callable[[Evaluation, str], str]] = {
    "facts": paper_tables.facts,
    "verdict": paper_tables.rivals,
    "tuning": paper_tables.tuning,
}
OF_TASK: dict[str, Callable[[Evaluation, str], str]] = {
    "table": paper_tables.task_table,
    "segments": paper_tables.segments,
    "beyond": paper_tables.beyond,
}
OF_ABLATION: dict[str, Callable[[Ablation, str], str]] = {
    "ablation": lambda content, name: "\n\n".join(ablation_text(content))
}
OF_SEEDS: dict[str, Callable[[Seeds, str], str]] = {"seeds": seeds_table, "seeds_verdict": seeds_verdict}

BLOCK_KINDS = (*OF_RUN, *OF_TASK, *OF_ABLATION, *OF_SEEDS)
"""Kinds of block. Those of OF_TASK are filled by a task of a run, the others by the whole document of their name."""


@dataclass(frozen=True)
class Documents:
    """Name -> document, for each kind of document."""

    runs: Mapping[str, Evaluation] = field(default_factory=dict)
    ablations: Mapping[str, Ablation] = field(default_factory=dict)
    seeds: Mapping[str, Seeds] = field(default_factory=dict)

    def text(self, kind: str, name: str, task: str = "") -> str | None:
        """What fills a block; None when its document is not given."""
        if kind in OF_SEEDS:
            return OF_SEEDS[kind](self.seeds[name], name) if name in self.seeds else None
        if kind in OF_ABLATION:
            return OF_ABLATION[kind](self.ablations[name], name) if name in self.ablations else None
        if name not in self.runs:
            return None
        return OF_TASK[kind](self.runs[name], task) if kind in OF_TASK else OF_RUN[kind](self.runs[name], name)

    def sources(self) -> Iterator[tuple[str, str]]:
        """(option of the command, name) of each document."""
        for option, documents in (("run", self.runs), ("ablation", self.ablations), ("seeds", self.seeds)):
            yield from ((option, name) for name in documents)


def option_of(kind: str) -> str:
    """The option of the command that gives the document of a block."""
    return "seeds" if kind in OF_SEEDS else "ablation" if kind in OF_ABLATION else "run"


def read_run(argument: str) -> tuple[str, Evaluation]:
    """Name and content of `NAME=PATH`.

    Raises:
        LoopbackError: it is not of that form, or the file is not an evaluation.
    """
    name, path, content = _read(argument, "run", read_evaluation)
    version = path.resolve().parent.name
    if re.fullmatch(r"[0-9a-f]{8,64}", version):  # of an artifact; the name of any other folder is private
        content["versions"] = {"evaluation": version, **content["versions"]}
    return name, content


def read_named_ablation(argument: str) -> tuple[str, Ablation]:
    """Name and content of `NAME=PATH`; errors as in `read_run`."""
    name, _, content = _read(argument, "ablation", read_ablation)
    return name, content


def read_named_seeds(argument: str) -> tuple[str, Seeds]:
    """Name and content of `NAME=PATH`; errors as in `read_run`."""
    name, _, content = _read(argument, "seeds", read_seeds)
    return name, content


Content = TypeVar("Content")


def _read(argument: str, option: str, read: Callable[[Path], Content]) -> tuple[str, Path, Content]:
    name, _, path = argument.partition("=")
    if not (re.fullmatch(r"[\w-]+", name) and path):
        raise LoopbackError(f"--{option} {argument} is not of the form NAME=PATH, as in --{option} slice=FILE.json.")
    try:
        return name, Path(path), read(Path(path))
    except ArtifactError as error:
        raise LoopbackError(f"--{option} {name}: {error}") from None
