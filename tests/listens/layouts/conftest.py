"""How the tests of layouts read a stream: by the layout that recognises it, and by no other."""

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from loopback_core.listens.layouts import LAYOUTS
from loopback_core.listens.layouts.layout import HEAD_BYTES, Head, LayoutFile
from loopback_core.listens.log_rules import RAW_COLUMNS
from loopback_core.listens.schema import RawRow, validate
from loopback_core.settings import SourceSettings

ReadStream = Callable[..., pl.DataFrame]


@pytest.fixture
def read_stream() -> ReadStream:
    """(name of the layout, bytes, name of the file, block_bytes, settings) -> all raw rows."""

    def read(
        layout: str, content: bytes, name: str = "export", block_bytes: int = 1 << 20, **source: object
    ) -> pl.DataFrame:
        settings = SourceSettings.model_validate(source)
        head = Head(name, content[:HEAD_BYTES], settings)
        (mine,) = (each for each in LAYOUTS if each.name == layout)
        assert mine.recognises(head)
        file = LayoutFile(Path(name), settings)
        rows = pl.concat(mine.rows(io.BytesIO(content), file, block_bytes))
        return validate(RawRow, rows)

    return read


@pytest.fixture
def fields() -> Callable[[pl.DataFrame], list[tuple[object, ...]]]:
    """The six fields and the problem of each row."""
    return lambda rows: rows.select(*RAW_COLUMNS, "problem").rows()
