"""The command that fills documents: `python -m loopback_core.reporting.paper`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loopback_core.errors import LoopbackError
from loopback_core.reporting.paper.blocks import DocumentBlock, fill, find_blocks
from loopback_core.reporting.paper.documents import Documents, read_named_ablation, read_named_seeds, read_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the documents, or with --check name the blocks that differ: 0, 1 when some do, 2 for an error."""
    parser = argparse.ArgumentParser(description="Fill the tables of Markdown files from the JSON files of runs.")
    parser.add_argument("files", type=Path, nargs="+", help="Markdown files with blocks to fill")
    for option, help in (
        ("--run", "an evaluation.json"),
        ("--ablation", "an ablation.json"),
        ("--seeds", "a file written by loopback_core.reporting.seeds"),
    ):
        parser.add_argument(option, action="append", default=[], metavar="NAME=PATH", help=help)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a block differs")
    options = parser.parse_args(arguments)
    if not (options.run or options.ablation or options.seeds):
        parser.error("give at least one --run, --ablation or --seeds")
    try:
        documents = Documents(
            dict(map(read_run, options.run)),
            dict(map(read_named_ablation, options.ablation)),
            dict(map(read_named_seeds, options.seeds)),
        )
        return _fill_files(options.files, documents, check=options.check)
    except LoopbackError as error:
        print(error, file=sys.stderr)
        return 2


def _fill_files(paths: Sequence[Path], documents: Documents, *, check: bool) -> int:
    texts = {path: _text(path) for path in paths}
    blocks = {path: find_blocks(text.splitlines()) for path, text in texts.items()}
    sources = {block.source for of_file in blocks.values() for block in of_file}
    if unused := [f"--{option} {name}" for option, name in documents.sources() if (option, name) not in sources]:
        raise LoopbackError(
            f"No block of {', '.join(map(str, paths))} is filled by {', '.join(unused)}; correct its name or add a block."
        )
    differs = False
    for path, text in texts.items():
        lines = text.splitlines()
        differing = [block for block in blocks[path] if _differs(block, lines, documents)]
        differs |= bool(differing)
        for block in differing:
            print(f"{block.marker}: {'differs from its run' if check else 'filled'}")
        if differing and not check:
            path.write_text(fill(text, documents), "utf-8")
    for option, name in sorted(sources - set(documents.sources())):
        print(f"--{option} {name}: not given, its blocks are left as they are")
    return 1 if check and differs else 0


def _differs(block: DocumentBlock, lines: Sequence[str], documents: Documents) -> bool:
    content = block.content(documents)
    return content is not None and content != lines[block.start : block.stop]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise LoopbackError(f"The document {path} cannot be read ({error.strerror}).") from None


if __name__ == "__main__":
    sys.exit(main())
