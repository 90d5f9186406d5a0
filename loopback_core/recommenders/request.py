"""A request as a program makes it: names and times, not ids."""

import reprlib
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

from loopback_core.data import Ids
from loopback_core.errors import RequestError
from loopback_core.listens.time_forms import parse_times
from loopback_core.recommenders.name_keys import texts

Played = tuple[str, str, str | float | datetime]
"""Artist, title, and when: ISO 8601, a datetime (both UTC where they have no zone), or seconds since 1970-01-01 UTC."""


@dataclass(frozen=True)
class Request:
    """A request of one user: a history, and how many tracks to recommend.

    Raises:
        RequestError: k is not positive, there is no such task, a listen is not an artist, a title and a readable time, or `at`
            lies before one of them.
    """

    history: Sequence[Played]
    task: Literal["discovery", "next_listen"] = "discovery"
    k: int = 10
    exclude: Sequence[tuple[str, str]] = ()  # (artist, title) that must not be recommended
    at: datetime | None = None  # when it is asked; None: the end of the log, or of the history where that is later

    def __post_init__(self) -> None:
        k: Any = self.k
        task: str = self.task
        history: Sequence[Any] = self.history
        if not isinstance(k, Integral) or int(k) < 1:
            raise RequestError(f"k is {k!r}; ask for at least one track.")
        if task not in ("discovery", "next_listen"):
            raise RequestError(f"The task {task!r} is not known: ask for 'discovery' or 'next_listen'.")
        if wrong := [listen for listen in history if not isinstance(listen, Sized) or len(listen) != 3]:
            raise RequestError(f"{_short(wrong[0])} is not a listen: give (artist, title, time) of each.")
        if wrong := [pair for pair in self.exclude if not isinstance(pair, Sized) or len(pair) != 2]:
            raise RequestError(f"{_short(wrong[0])} cannot be excluded: give (artist, title) of each track.")

    @property
    def artists(self) -> list[str]:
        """The artist of every listen."""
        return [artist for artist, _, _ in self.history]

    @property
    def titles(self) -> list[str]:
        """The title of every listen."""
        return [title for _, title, _ in self.history]

    def times(self) -> Ids:
        """Seconds since 1970-01-01 UTC of every listen, (listens,)."""
        given = [_time_as_text(when) for _, _, when in self.history]
        parsed = parse_times(texts(given), "iso")
        if parsed.null_count():
            wrong = given[int(parsed.is_null().arg_max() or 0)]
            raise RequestError(
                f"The time {_short(wrong)} cannot be read: write it as 2009-04-01T21:00:00Z, or as seconds since 1970."
            )
        seconds: Ids = parsed.dt.epoch("s").to_numpy()
        return seconds

    def moment(self, now: int) -> int:
        """Seconds since 1970-01-01 UTC at which the request is made. now: the end of the log."""
        times = self.times()
        if self.at is None:
            return int(times.max(initial=now))
        moment = int(_utc(self.at).timestamp())
        if (times > moment).any():
            raise RequestError(
                f"The history holds listens after at = {self.at}: leave them out, or give a later moment."
            )
        return moment


class Recommendation(NamedTuple):
    """A recommended track."""

    track: int  # id in the catalog
    artist_name: str
    track_name: str
    score: float


def _time_as_text(when: Any) -> Any:
    """ISO 8601 for a datetime and for seconds; anything else as it is."""
    if isinstance(when, Real):
        try:
            when = datetime.fromtimestamp(float(when), UTC)
        except (OverflowError, OSError, ValueError):  # no such year
            return str(when)
    return _utc(when).isoformat() if isinstance(when, datetime) else when


def _short(value: object) -> str:
    return reprlib.repr(value)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
