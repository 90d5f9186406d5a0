"""Parquet files of an object store and tables of a lake, scanned by polars: only the needed columns are read."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from loopback_core.errors import SettingsError
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import BATCH_ROWS, RemoteSource
from loopback_core.settings import SourceSettings

RETRIES: dict[str, Any] = {"max_retries": 2, "retry_timeout_ms": 20_000}
"""Of a request to a store; without, a host that is not there is asked for minutes."""

HIDDEN_FILES = ("_", ".")
"""What such names begin with in a folder is no data: Spark writes _SUCCESS and .part.crc next to its files."""


class LazyScan(RemoteSource):
    """All rows of a scan, in its order. Its store finds the credentials in the environment."""

    def __init__(self, address: RemoteAddress, source: SourceSettings) -> None:
        if source.query is not None or source.table is not None:
            raise SettingsError(
                f"source.query and source.table are read for databases only, and {address.shown} is none: remove them, or "
                "read it through DuckDB."
            )
        self._scan = self.scan(address)

    def scan(self, address: RemoteAddress) -> pl.LazyFrame:
        """The files at an address; a folder or a pattern with * stands for all of its Parquet files.

        The columns are those of the first file: a later file may lack one, or have more.
        """
        return pl.scan_parquet(
            address.text,
            storage_options=RETRIES,
            hidden_file_prefix=HIDDEN_FILES,
            missing_columns="insert",
            extra_columns="ignore",
        )

    def columns(self) -> list[str]:
        """See :class:`RemoteSource`."""
        return self._scan.collect_schema().names()

    def count(self) -> int:
        """See :class:`RemoteSource`."""
        return int(self._scan.select(pl.len()).collect(engine="streaming").item())

    def batches(self, columns: Sequence[str], time: str) -> Iterator[pl.DataFrame]:
        """See :class:`RemoteSource`."""
        return iter(self._scan.select(columns).collect_batches(chunk_size=BATCH_ROWS, engine="streaming"))

    def close(self) -> None:
        """See :class:`RemoteSource`."""
