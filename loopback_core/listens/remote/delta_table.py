"""A Delta table, by the library deltalake: its newest version."""

from pathlib import Path

import polars as pl

from loopback_core.listens.remote.lazy_scan import RETRIES, LazyScan
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import optional_library


class DeltaTableSource(LazyScan):
    """`delta://` before the path or the address of a table, or the path of a folder that holds `_delta_log`."""

    def scan(self, address: RemoteAddress) -> pl.LazyFrame:
        """The rows of the newest version."""
        optional_library("deltalake", "delta")
        if "://" in address.rest:
            return pl.scan_delta(address.rest, storage_options=RETRIES)
        return pl.scan_delta(Path(address.rest).expanduser())
