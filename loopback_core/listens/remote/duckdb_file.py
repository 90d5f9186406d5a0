"""A query of a DuckDB file. The file is opened read-only."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from loopback_core.errors import SettingsError
from loopback_core.listens.remote.database_file import database_file
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import BATCH_ROWS, RemoteSource, optional_library
from loopback_core.listens.remote.sql_query import as_selected, columns_query, count_query, query_of, schema_query
from loopback_core.settings import SourceSettings

NO_DOWNLOAD = {"autoinstall_known_extensions": "false"}
"""A query that needs an extension of DuckDB does not install it."""


class DuckdbSource(RemoteSource):
    """Rows of `source.query` or `source.table`."""

    def __init__(self, address: RemoteAddress, source: SourceSettings) -> None:
        self._query = query_of(source)
        duckdb = optional_library("duckdb", "duckdb")
        path = database_file(address)
        self._connection: Any = duckdb.connect(str(path), read_only=True, config=NO_DOWNLOAD)
        if len(self._connection.extract_statements(schema_query(self._query))) != 1:  # DuckDB would run them all
            self._connection.close()
            raise SettingsError("source.query must be one SELECT: leave out what stands behind its semicolon.")

    def columns(self) -> list[str]:
        """See :class:`RemoteSource`."""
        description = self._connection.execute(schema_query(self._query)).description
        return as_selected([name for name, *_ in description], "_")

    def count(self) -> int:
        """See :class:`RemoteSource`."""
        return int(self._connection.execute(count_query(self._query)).fetchone()[0])

    def batches(self, columns: Sequence[str], time: str) -> Iterator[pl.DataFrame]:
        """See :class:`RemoteSource`."""
        statement = columns_query(self._query, columns, time, "varchar")
        for batch in self._connection.sql(statement).to_arrow_reader(BATCH_ROWS):
            if batch.num_rows:
                yield pl.DataFrame({name: pl.Series(batch.column(name)) for name in columns})

    def close(self) -> None:
        """See :class:`RemoteSource`."""
        self._connection.close()
