"""A query of a PostgreSQL database, by ADBC: the rows come as Arrow batches, by COPY, in a read-only transaction."""

import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote

import polars as pl
import pyarrow as pa

from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import RemoteSource, optional_library
from loopback_core.listens.remote.sql_query import columns_query, count_query, query_of, schema_query
from loopback_core.settings import SourceSettings

SETTINGS = (
    "set default_transaction_read_only = on",
    "set synchronize_seqscans = off",  # else a scan may begin in the middle of the table
)


class PostgresqlSource(RemoteSource):
    """Rows of `source.query` or `source.table`. The password may stand in LOOPBACK_SOURCE_PASSWORD or PGPASSWORD."""

    def __init__(self, address: RemoteAddress, source: SourceSettings) -> None:
        self._query = query_of(source)
        driver = optional_library("adbc_driver_postgresql.dbapi", "postgresql")
        self._connection: Any = driver.connect(_connectable(address.text))
        self._cursor: Any = self._connection.cursor()
        for setting in SETTINGS:
            self._cursor.execute(setting)
        self._connection.commit()  # what follows is a new transaction, which is read-only

    def columns(self) -> list[str]:
        """See :class:`RemoteSource`."""
        self._cursor.execute(schema_query(self._query))
        return list(self._cursor.fetch_record_batch().schema.names)

    def count(self) -> int:
        """See :class:`RemoteSource`."""
        self._cursor.execute(count_query(self._query))
        return int(self._cursor.fetchone()[0])

    def batches(self, columns: Sequence[str], time: str) -> Iterator[pl.DataFrame]:
        """See :class:`RemoteSource`."""
        self._cursor.execute(columns_query(self._query, columns, time, "text"))
        for batch in self._cursor.fetch_record_batch():
            if batch.num_rows:
                yield pl.DataFrame({name: _series(batch.column(name)) for name in columns})

    def close(self) -> None:
        """See :class:`RemoteSource`."""
        self._cursor.close()
        self._connection.close()


def _connectable(address: str) -> str:
    """The address as libpq reads it: the password encoded, or that of LOOPBACK_SOURCE_PASSWORD where there is none.

    libpq itself reads PGPASSWORD and .pgpass.
    """
    scheme, _, rest = address.partition("://")
    before, at, place = rest.rpartition("@")
    user, _, password = before.partition(":")
    if "?" in before and "=" in before.partition("?")[2]:  # the @ is one of a parameter
        user, password, at, place = "", "", "", rest
    if password:
        user = f"{user}:{quote(unquote(password), safe='')}"
    elif (given := os.environ.get("LOOPBACK_SOURCE_PASSWORD")) and "password=" not in place:
        place += f"{'&' if '?' in place else '?'}password={quote(given, safe='')}"
    return f"{scheme}://{user}{at}{place}"


def _series(column: Any) -> pl.Series:
    if isinstance(column.type, pa.OpaqueType) and column.type.type_name == "numeric":
        return pl.Series(column.storage).cast(pl.Float64)  # Arrow has no number of any precision: it comes as text
    return pl.Series(column.storage if isinstance(column.type, pa.BaseExtensionType) else column)
