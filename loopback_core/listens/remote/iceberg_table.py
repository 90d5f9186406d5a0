"""An Iceberg table, by the library pyiceberg: its current snapshot."""

import os
from pathlib import Path
from typing import Any

import polars as pl

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.remote.lazy_scan import LazyScan
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_source import optional_library


class IcebergTableSource(LazyScan):
    """`iceberg://` before one of: the path of a table's folder, the address of its metadata file, catalog/name.of.table."""

    def scan(self, address: RemoteAddress) -> pl.LazyFrame:
        """The rows of the current snapshot."""
        table = optional_library("pyiceberg.table", "iceberg")
        if address.rest.endswith(".metadata.json"):
            found: Any = table.StaticTable.from_metadata(address.rest, _store_properties())
        elif "://" in address.rest:
            raise SettingsError(
                f"{address.shown} names no metadata file: give the address of the newest metadata/....metadata.json of the table, "
                "or iceberg://CATALOG/NAMESPACE.TABLE with a catalog that pyiceberg is configured for."
            )
        elif (folder := Path(address.rest).expanduser()).is_dir():
            found = table.StaticTable.from_metadata(str(_newest_metadata(folder)))
        else:
            catalog, _, name = address.rest.partition("/")
            if not catalog or not name:
                raise BadLogError(f"There is no folder {folder} ({address.shown}): correct source.name.")
            found = optional_library("pyiceberg.catalog", "iceberg").load_catalog(catalog).load_table(name)
        return pl.scan_iceberg(found)


def _store_properties() -> dict[str, str]:
    """The place of a store of objects, from the variables that the other readers of one take it from."""
    variables = {"s3.endpoint": "AWS_ENDPOINT_URL", "s3.region": "AWS_REGION"}
    return {key: os.environ[name] for key, name in variables.items() if os.environ.get(name)}


def _newest_metadata(folder: Path) -> Path:
    """The file that a writer without a catalog names in version-hint.text, else the one with the highest number.

    Raises:
        BadLogError: the folder is no table.
    """
    metadata = folder / "metadata"
    hint = metadata / "version-hint.text"
    if hint.is_file():
        version = hint.read_text("utf-8").strip()
        for name in (version, f"v{version}.metadata.json", f"{version}.metadata.json"):
            if (metadata / name).is_file():
                return metadata / name
    files = sorted(metadata.glob("*.metadata.json"), key=lambda path: (_number(path.name), path.stat().st_mtime_ns))
    if not files:
        raise BadLogError(f"{folder} is no Iceberg table, it has no metadata/*.metadata.json: correct source.name.")
    return files[-1]


def _number(name: str) -> int:
    """The version in 00003-uuid.metadata.json or v3.metadata.json; -1 where there is none."""
    digits = name.removeprefix("v").partition("-")[0].partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else -1
