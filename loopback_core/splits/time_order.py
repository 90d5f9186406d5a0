"""Listens from the order of users into that of time, on disk: stretches of time with as many rows as fit into memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROW = np.dtype([("user", "<i4"), ("track", "<i4"), ("timestamp", "<u4"), ("part", "i1"), ("cut_part", "i1")])
OrderedRows = NDArray[np.void]
"""Of the type ROW: dense ids, seconds, the part of the listen and the part of the cut (they differ for held-out users)."""

EVENT = pa.schema([("user", pa.int32()), ("track", pa.int32()), ("timestamp", pa.timestamp("us", tz="UTC"))])

EVENT_GROUP_ROWS = 1 << 18


class TimeOrder:
    """Takes listens in any order of time, and gives them back by time; ties stay in the order in which they came.

    bins: how many listens each bin of 65,536 seconds holds. About `stretch_rows` are in memory at once, or those of one bin.
    """

    def __init__(self, folder: Path, bins: NDArray[np.int64], stretch_rows: int) -> None:
        folder.mkdir()
        before = np.cumsum(bins) - bins
        self._stretch_of_bin = np.unique(before // stretch_rows, return_inverse=True)[1].astype(np.int64)
        self._files = [folder / f"{number:05}" for number in range(int(self._stretch_of_bin[-1]) + 1)]

    def add(self, rows: OrderedRows) -> None:
        """More listens."""
        stretch = self._stretch_of_bin[rows["timestamp"] >> 16]
        rows = rows[np.argsort(stretch, kind="stable")]
        stops = np.cumsum(np.bincount(stretch, minlength=len(self._files)))
        for file, start, stop in zip(self._files, [0, *stops[:-1]], stops, strict=True):
            if start < stop:
                with file.open("ab") as opened:
                    rows[start:stop].tofile(opened)

    def stretches(self) -> Iterator[OrderedRows]:
        """All listens by time; each file is removed once it was read."""
        for file in self._files:
            if file.exists():
                rows = np.fromfile(file, ROW)
                file.unlink()
                yield rows[np.argsort(rows["timestamp"], kind="stable")]


class EventsWriter:
    """A Parquet file of events that grows; its bytes depend on its rows alone, not on the pieces in which they come."""

    def __init__(self, path: Path, *, with_part: bool = False) -> None:
        schema = EVENT.append(pa.field("part", pa.int8())) if with_part else EVENT
        self._with_part = with_part
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False)
        self._waiting = np.zeros(0, ROW)

    def append(self, rows: OrderedRows) -> None:
        """Add rows."""
        rows = np.concatenate([self._waiting, rows])
        whole = len(rows) - len(rows) % EVENT_GROUP_ROWS
        for start in range(0, whole, EVENT_GROUP_ROWS):
            self._write(rows[start : start + EVENT_GROUP_ROWS])
        self._waiting = rows[whole:]

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        if len(self._waiting):
            self._write(self._waiting)
        self._writer.close()

    def _write(self, rows: OrderedRows) -> None:
        moment = pa.array(rows["timestamp"].astype(np.int64) * 1_000_000, EVENT.field("timestamp").type)
        columns = [pa.array(np.ascontiguousarray(rows[name])) for name in ("user", "track")] + [moment]
        if self._with_part:
            columns.append(pa.array(np.ascontiguousarray(rows["cut_part"])))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._writer.schema), EVENT_GROUP_ROWS)
