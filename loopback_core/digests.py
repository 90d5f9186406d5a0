"""Digests: of content, of source code, of files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def digest(content: Mapping[str, Any]) -> str:
    """A short name for what `content` says, the same whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def code_digest(*places: str) -> str:
    """A digest of the source of modules and packages of `loopback_core`: no result outlives the code it came from.

    places: paths inside the package, such as `listens` or `training/losses.py`.
    """
    root = Path(__file__).parent
    sources = sorted({path for place in places for path in _sources(root / place)})
    return digest({path.relative_to(root).as_posix(): path.read_text("utf-8") for path in sources})


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sources(place: Path) -> list[Path]:
    return [place] if place.is_file() else [*place.rglob("*.py")]
