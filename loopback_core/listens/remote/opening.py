"""The reader of an address."""

from collections.abc import Iterator
from contextlib import contextmanager

from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import RemoteSource
from loopback_core.settings import SourceSettings


@contextmanager
def open_remote(address: RemoteAddress, source: SourceSettings) -> Iterator[RemoteSource]:
    """The remote log at an address, open for reading; errors are those of its library, or for the user.

    Raises:
        BadLogError, SettingsError: a file is missing, the settings do not say what to read, a library is not installed.
    """
    remote = _READERS[address.kind](address, source)
    try:
        yield remote
    finally:
        remote.close()


def _postgresql(address: RemoteAddress, source: SourceSettings) -> RemoteSource:
    from loopback_core.listens.remote.postgresql import PostgresqlSource

    return PostgresqlSource(address, source)


def _sqlite(address: RemoteAddress, source: SourceSettings) -> RemoteSource:
    from loopback_core.listens.remote.sqlite_file import SqliteSource

    return SqliteSource(address, source)


def _duckdb(address: RemoteAddress, source: SourceSettings) -> RemoteSource:
    from loopback_core.listens.remote.duckdb_file import DuckdbSource

    return DuckdbSource(address, source)


def _store(address: RemoteAddress, source: SourceSettings) -> RemoteSource:
    from loopback_core.listens.remote.lazy_scan import LazyScan

    return LazyScan(address, source)


def _delta(address: RemoteAddress, source: SourceSettings) -> RemoteSource:
    from loopback_core.listens.remote.delta_table import DeltaTableSource

    return DeltaTableSource(address, source)


def _iceberg(address: RemoteAddress, source: SourceSettings) -> RemoteSource:
    from loopback_core.listens.remote.iceberg_table import IcebergTableSource

    return IcebergTableSource(address, source)


_READERS = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
    "duckdb": _duckdb,
    "store": _store,
    "delta": _delta,
    "iceberg": _iceberg,
}
