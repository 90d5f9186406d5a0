"""A query of an SQLite file, by the standard library. The file is opened read-only."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import polars as pl

from loopback_core.listens.lines import decode
from loopback_core.listens.remote.database_file import database_file
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import BATCH_ROWS, RemoteSource
from loopback_core.listens.remote.sql_query import as_selected, columns_query, count_query, query_of, schema_query
from loopback_core.settings import SourceSettings


class SqliteSource(RemoteSource):
    """Rows of `source.query` or `source.table`. SQLite gives each value a type of its own: text comes as bytes."""

    def __init__(self, address: RemoteAddress, source: SourceSettings) -> None:
        self._query = query_of(source)
        path = database_file(address)
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
        self._connection.text_factory = bytes  # what is not UTF-8 is a rejected row, not the end of the reading

    def columns(self) -> list[str]:
        """See :class:`RemoteSource`."""
        description = self._connection.execute(schema_query(self._query)).description
        return as_selected([name for name, *_ in description], ":")

    def count(self) -> int:
        """See :class:`RemoteSource`."""
        return int(self._connection.execute(count_query(self._query)).fetchone()[0])

    def batches(self, columns: Sequence[str], time: str) -> Iterator[pl.DataFrame]:
        """See :class:`RemoteSource`."""
        cursor = self._connection.execute(columns_query(self._query, columns, time, "text"))
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield pl.DataFrame(
                [_series(name, values) for name, values in zip_longest(columns, zip(*rows, strict=True))]
            )

    def close(self) -> None:
        """See :class:`RemoteSource`."""
        self._connection.close()


def _series(name: str, values: tuple[Any, ...]) -> pl.Series:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int}:
        return pl.Series(name, values, pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, values, pl.Float64, strict=False)
    as_bytes = [value if value is None or isinstance(value, bytes) else str(value).encode() for value in values]
    encoded = pl.Series(name, as_bytes, pl.Binary)
    text, undecodable = decode(encoded)
    return encoded if undecodable.any() else text.alias(name)
