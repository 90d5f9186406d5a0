"""A database, an object store or a lake, watched for new listens."""

from functools import cached_property
from typing import Any

from loopback_core.listens.remote.opening import open_remote
from loopback_core.listens.remote.remote_address import RemoteAddress
from loopback_core.listens.remote.remote_errors import drivers_errors
from loopback_core.listens.watch.known_log import KnownLog
from loopback_core.listens.watch.watched_source import NewRows, WatchedSource
from loopback_core.settings import SourceSettings


class WatchedTable(WatchedSource):
    """A remote log by the number of its rows, which is counted where they lie. Rows that are changed in place are not seen."""

    settles = False  # a query sees whole transactions; of an object store, what is there is read
    pause = 900.0  # to count the rows of a large table takes a database seconds

    def __init__(self, address: RemoteAddress, source: SourceSettings) -> None:
        self._address, self._source = address, source
        self.shown = address.shown

    @cached_property
    def _rows(self) -> int:
        with drivers_errors(self._address), open_remote(self._address, self._source) as remote:
            return remote.count()

    @property
    def state(self) -> str:
        """The number of rows."""
        return str(self._rows)

    def new_since(self, known: KnownLog, enough: int) -> NewRows:
        """See :class:`WatchedSource`."""
        before = known.rows if known.name == self.shown else 0
        if self._rows < before:
            return NewRows(self._rows, (f"{self.shown}: {self._rows:,} (it had {before:,} rows, so it was replaced)",))
        new = self._rows - before
        return NewRows(new, (f"{self.shown}: {new:,}",) if new else ())

    def content(self, known: KnownLog) -> Any:
        """See :class:`WatchedSource`."""
        return self._rows
