"""A table that is written while it is made."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pandera.polars as pa
import polars as pl
import pyarrow.parquet as pq

from loopback_core.listens.schema import validate

ROW_GROUP_ROWS = 1 << 18


class TableWriter:
    """A Parquet file that grows by validated frames; the same frames make the same bytes.

    A thread of its own packs and writes a frame while the next one is made.
    """

    def __init__(self, path: Path, model: type[pa.DataFrameModel]) -> None:
        self._model = model
        schema = {name: column.dtype.type for name, column in model.to_schema().columns.items()}
        self._columns = list(schema)
        self._writer = pq.ParquetWriter(path, pl.DataFrame(schema=schema).to_arrow().schema, compression="zstd")
        self._thread = ThreadPoolExecutor(1, "write")
        self._before: Future[None] | None = None

    def append(self, frame: pl.DataFrame) -> None:
        """Add rows; an empty frame adds nothing.

        Raises:
            ArtifactError: the model does not hold of them.
        """
        if frame.is_empty():
            return
        table = validate(self._model, frame.select(self._columns)).to_arrow()
        self._written()  # at most one frame waits in memory
        self._before = self._thread.submit(self._writer.write_table, table, ROW_GROUP_ROWS)

    def _written(self) -> None:
        if self._before is not None:
            self._before.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()
        self._writer.close()
        if error is None:
            self._written()  # raises the error of the last write, if any
