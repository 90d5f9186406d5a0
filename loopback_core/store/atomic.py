"""The one atomic write."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new path in the same folder; what is written there takes the place of `path` when the block ends.

    All of it or nothing, also for readers at the same moment and when the block fails.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield new
        if path.is_dir() and not path.is_symlink():  # a damaged home; a rename does not replace a folder
            shutil.rmtree(path)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as new:
        new.write_text(text, "utf-8")
