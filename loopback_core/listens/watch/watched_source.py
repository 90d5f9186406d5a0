"""What can be watched for new listens."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from loopback_core.listens.watch.known_log import KnownLog


@dataclass(frozen=True)
class NewRows:
    """How many rows of a source are new, and what is to be said of them: phrases for a sentence."""

    rows: int
    remarks: tuple[str, ...] = ()


class WatchedSource(ABC):
    """A source as it is at one look."""

    settles: ClassVar[bool] = True
    """Whether it may be seen half-written: then its rows count once two looks one after another saw the same."""

    pause: ClassVar[float] = 0.0
    """Seconds after a look in which there is no other."""

    shown: str
    """Its path or its address, without secrets."""

    @property
    @abstractmethod
    def state(self) -> str:
        """What differs as soon as anything was written. Cheap: files are not opened."""

    @abstractmethod
    def new_since(self, known: KnownLog, enough: int) -> NewRows:
        """How many of its rows are not in `known`; where they are `enough` the rest may be left uncounted.

        Raises:
            LoopbackError: it cannot be read.
        """

    @abstractmethod
    def content(self, known: KnownLog) -> Any:
        """What tells its content from that of another state, whenever it was written; something that JSON can hold."""
