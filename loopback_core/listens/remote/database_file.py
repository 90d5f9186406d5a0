"""The file that the address of an embedded database names."""

from pathlib import Path

from loopback_core.errors import BadLogError
from loopback_core.listens.log_file import LogFile
from loopback_core.listens.log_paths import absolute
from loopback_core.listens.remote.remote_address import RemoteAddress


def database_file(address: RemoteAddress) -> Path:
    """The path behind `sqlite:///` or `duckdb:///`: relative, or absolute with a fourth slash.

    Raises:
        BadLogError: there is no such file, or it cannot be read.
    """
    if not address.rest.startswith("/"):
        raise BadLogError(
            f"{address.shown} names a host, but the database is a file: write {address.kind}:///plays.db for one in this "
            f"folder, {address.kind}:////data/plays.db for an absolute path."
        )
    path = absolute(address.rest[1:], "name")
    if not path.exists():
        raise BadLogError(
            f"There is no file {path} ({address.shown}): correct source.name. An absolute path has four slashes, as in "
            f"{address.kind}:////data/plays.db."
        )
    LogFile(path).close()
    return path
