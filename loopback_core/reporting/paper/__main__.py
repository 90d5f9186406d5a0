"""The command that fills a paper: `python -m loopback_core.reporting.paper`."""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loopback_core.errors import LoopbackError
from loopback_core.reporting.paper.blocks import fill, find_blocks
from loopback_core.reporting.paper.paper_tables import Evaluation


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the paper, or with --check name the blocks that differ: 0, 1 when some do, 2 for what cannot be done."""
    parser = argparse.ArgumentParser(
        description="Fill the tables of the paper from evaluation.json and ablation.json files."
    )
    parser.add_argument("paper", type=Path, help="a Markdown file with blocks to fill")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=PATH", help="an evaluation.json")
    parser.add_argument("--ablation", action="append", default=[], metavar="NAME=PATH", help="an ablation.json")
    parser.add_argument(
        "--seeds", action="append", default=[], metavar="NAME=PATH", help="of loopback_core.reporting.seeds"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a block differs")
    chosen = parser.parse_args(arguments)
    if not (chosen.run or chosen.ablation or chosen.seeds):
        parser.error("give at least one --run, --ablation or --seeds")
    try:
        runs = (
            dict(map(read_run, chosen.run))
            | dict(map(read_ablation, chosen.ablation))
            | dict(map(read_seeds, chosen.seeds))
        )
        return _run(chosen.paper, runs, check=chosen.check)
    except LoopbackError as error:
        print(error, file=sys.stderr)
        return 2


def _run(path: Path, runs: Mapping[str, Evaluation], *, check: bool) -> int:
    try:
        paper = path.read_text("utf-8")
    except OSError as error:
        raise LoopbackError(f"The paper {path} cannot be read ({error.strerror}).") from None
    lines = paper.splitlines()
    blocks = find_blocks(lines)
    if unused := sorted(set(runs) - {block.run for block in blocks}):
        raise LoopbackError(f"No block of {path} is of the run {', '.join(unused)}; correct its name or add a block.")
    given = [block for block in blocks if block.run in runs]
    differing = [block for block in given if lines[block.start : block.stop] != block.content(runs[block.run])]
    for block in differing:
        print(f"{block.marker}: {'differs from its run' if check else 'filled'}")
    for name in dict.fromkeys(block.run for block in blocks if block.run not in runs):
        print(f"{name}: not given, its blocks are left as they are")
    if differing and not check:
        path.write_text(fill(paper, runs), "utf-8")
    return 1 if check and differing else 0


def read_run(argument: str) -> tuple[str, Evaluation]:
    """Name and content of `NAME=PATH`.

    Raises:
        LoopbackError: it is not of that form, or the file is no evaluation.
    """
    name, path, content = _read(argument, "run", "evaluation")
    version = path.resolve().parent.name
    if re.fullmatch(r"[0-9a-f]{8,64}", version):  # an artifact's; the name of another folder is nobody's business
        content["versions"] = {"evaluation": version, **content.get("versions", {})}
    return name, content


def read_ablation(argument: str) -> tuple[str, dict[str, Any]]:
    """`ablation NAME`, as its block is called, and content of `NAME=PATH`.

    Raises:
        LoopbackError: it is not of that form, or the file is no ablation.
    """
    return _read_several(argument, "ablation", {"rows", "users", "seeds", "resamples"})


def read_seeds(argument: str) -> tuple[str, dict[str, Any]]:
    """`seeds NAME`, as its block is called, and content of `NAME=PATH`.

    Raises:
        LoopbackError: it is not of that form, or the file does not tell of seeds.
    """
    return _read_several(argument, "seeds", {"seeds", "tasks", "resamples"})


def _read_several(argument: str, what: str, needed: set[str]) -> tuple[str, dict[str, Any]]:
    name, _, content = _read(argument, what, what)
    if missing := needed - set(content):
        raise LoopbackError(f"The {what} of the run {name} cannot be read ({', '.join(sorted(missing))} missing).")
    return f"{what} {name}", content


def _read(argument: str, option: str, what: str) -> tuple[str, Path, dict[str, Any]]:
    name, _, path = argument.partition("=")
    if not (re.fullmatch(r"[\w-]+", name) and path):
        raise LoopbackError(f"--{option} {argument} is not of the form NAME=PATH, as in slice={what}.json.")
    try:
        return name, Path(path), dict(json.loads(Path(path).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise LoopbackError(f"The {what} of the run {name} cannot be read ({error}).") from None


if __name__ == "__main__":
    sys.exit(main())
