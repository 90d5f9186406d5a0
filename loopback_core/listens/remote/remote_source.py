"""What every reader of a remote log does."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType

import polars as pl

from loopback_core.errors import SettingsError

BATCH_ROWS = 1 << 17  # of a batch in memory, where the engine does not choose


class RemoteSource(ABC):
    """A table, a query, or Parquet files, open for reading. Errors are those of its library."""

    @abstractmethod
    def columns(self) -> list[str]:
        """The names of its columns, in order."""

    @abstractmethod
    def count(self) -> int:
        """How many rows it has; they are counted where they lie."""

    @abstractmethod
    def batches(self, columns: Sequence[str], time: str) -> Iterator[pl.DataFrame]:
        """All rows in frames of these columns, none twice; `time` is the one that is not made text by the engine."""

    @abstractmethod
    def close(self) -> None:
        """End the connection, if there is one."""


def optional_library(module: str, extra: str) -> ModuleType:
    """A module that is installed with an extra of this package.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise SettingsError(
            f"source.name needs a library that is not installed ({module.partition('.')[0]}): pip install 'loopback[{extra}]'"
        ) from None
