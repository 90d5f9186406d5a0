"""A listen that the service received: its values as they came, and those by which it is told from others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from loopback_core.errors import RequestError
from loopback_core.listens.log_rules import ASCII_INVISIBLE, FIRST_TIME, normal_form

SHOWN_CHARACTERS_OF_NAME = 60


@dataclass(frozen=True)
class ReceivedListen:
    """A listen as a client sent it. A time without a zone is UTC."""

    user_id: str
    artist: str
    track: str
    time: datetime
    artist_mbid: str | None = None
    track_mbid: str | None = None


@dataclass(frozen=True)
class KeptListen(ReceivedListen):
    """A listen as the store gives it back: the user in normal form, the names as they came, times in UTC."""

    row: int = 0  # later listens have higher ones; none is used twice
    received_at: datetime = FIRST_TIME


class Identity(NamedTuple):
    """What two listens have in common that are the same listen. Texts are in the normal form of the ingest."""

    user_id: str
    time: int  # microseconds since 1970-01-01 UTC
    artist: str
    track: str


def identities(listens: Sequence[ReceivedListen]) -> list[Identity]:
    """The identity of each listen.

    Raises:
        RequestError: a text is no valid Unicode, holds a NUL, or is blank; the message names the first listen, from 1.
    """
    for number, listen in enumerate(listens, 1):
        for name, text in (("artist_mbid", listen.artist_mbid), ("track_mbid", listen.track_mbid)):
            _refuse_unstorable(text or "", name, number)
    texts = {}
    for name in ("user_id", "artist", "track"):
        written: list[str] = [getattr(listen, name) for listen in listens]
        for number, text in enumerate(written, 1):
            _refuse_unstorable(text, name, number)
        texts[name] = normal_form(pl.Series(name, written, pl.String)).to_list()
        if "" in texts[name]:
            raise RequestError(f"The {name} of listen {texts[name].index('') + 1} is blank: send all three names.")
    times = [microseconds(listen.time) for listen in listens]
    return list(map(Identity, texts["user_id"], times, texts["artist"], texts["track"]))


def normal_user(user_id: str) -> str:
    """A user id as the ingest compares it.

    Raises:
        RequestError: it is no valid Unicode, holds a NUL, or is blank.
    """
    _refuse_unstorable(user_id, "user_id")
    # most are ASCII; asked at every request, and a Series takes ten times as long
    ascii_only = user_id.isascii()
    normal = user_id.strip(ASCII_INVISIBLE) if ascii_only else str(normal_form(pl.Series([user_id])).item())
    if not normal:
        raise RequestError("The user_id is blank: name the user.")
    return normal


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - FIRST_TIME) // timedelta(microseconds=1)


def moment_of(time: int) -> datetime:
    """The time, UTC, that is so many microseconds after 1970-01-01."""
    return FIRST_TIME + timedelta(microseconds=time)


def _refuse_unstorable(text: str, name: str, number: int | None = None) -> None:
    try:
        text.encode()
        if "\0" not in text:
            return
        fault = "it holds a NUL character"
    except UnicodeEncodeError:
        fault = "it holds half of a surrogate pair, which is not Unicode text"
    of_listen = f" of listen {number}" if number else ""
    shown = ascii(text[:SHOWN_CHARACTERS_OF_NAME])
    raise RequestError(f"The {name}{of_listen} cannot be kept, {shown}: {fault}; send it without.")
