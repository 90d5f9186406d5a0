"""One look at the source and at the store of received listens: how many listens are new, and whether they are enough."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.remote.remote_address import remote_address
from loopback_core.listens.watch.known_log import KnownLog
from loopback_core.listens.watch.watched_files import WatchedFiles
from loopback_core.listens.watch.watched_source import NewRows, WatchedSource
from loopback_core.listens.watch.watched_table import WatchedTable
from loopback_core.settings import Settings, SourceSettings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.digests import digest

FIXED = {"sample": "the sample log", "lastfm-1k": "lastfm-1k"}
"""Sources to which nothing is ever added."""


@dataclass(frozen=True)
class Watch:
    """What a look has found.

    said: a sentence for the user. key: a name of what is there, the same for the same content, where that is enough for a
    retrain; None where it is not. cursor: what the next look has to be given.
    """

    said: str
    key: str | None
    cursor: str | None


@dataclass(frozen=True)
class _Look:
    """What a look remembers of the source. source: a digest of its settings. rows: None while it does not stand still."""

    source: str
    state: str
    at: float
    counted_for: tuple[str, int] = ("", 0)  # the version of raw_listens, and how many rows would have been enough
    rows: int | None = None
    remarks: tuple[str, ...] = ()


def watch(store: ArtifactStore, settings: Settings, cursor: str | None, now: float) -> Watch:
    """Look at the source and at what the service has received. cursor: of the look before; now: seconds since 1970.

    Raises:
        LoopbackError: the source, or the newest `interactions`, cannot be read.
    """
    known = KnownLog.newest(store)
    enough = settings.automation.enough(known.listens)
    watched = _watched(settings.source)
    received = _received(store, known)
    if watched is None and received is None:
        said = f"{FIXED[settings.source.name]} does not grow, and the service has stored no listens"
        return Watch(f"Nothing to watch: {said}. Set LOOPBACK_SOURCE to a log of your own.", None, cursor)

    found = NewRows(0)
    if watched:
        look = _look(watched, settings.source, known, enough, _read(cursor), now)
        cursor = json.dumps(asdict(look))
        if look.rows is None:
            said = "is looked at for the first time, or was written to since the last look"
            return Watch(f"{watched.shown} {said}: its listens are counted once it stands still.", None, cursor)
        found = NewRows(look.rows, look.remarks)
    last_row, stored = received or (0, 0)
    said = _sentence(found, stored, enough)
    if found.rows + stored < enough:
        return Watch(said, None, cursor)
    content = watched.content(known) if watched else None
    source = _digest_of(settings.source)
    key = digest({"known": known.version, "source": source, "content": content, "received": last_row})
    return Watch(said, key, cursor)


def _watched(source: SourceSettings) -> WatchedSource | None:
    if source.name in FIXED:
        return None
    address = remote_address(source.name)
    return WatchedTable(address, source) if address else WatchedFiles(source)


def _received(store: ArtifactStore, known: KnownLog) -> tuple[int, int] | None:
    """The last row of the store of received listens, and how many of its listens are new; None: nothing was received."""
    listens = ListenStore.existing(store.home)
    if listens is None:
        return None
    with listens:
        last_row = listens.version()
        is_another = last_row < known.last_row  # the file was replaced
        return last_row, listens.count_after(0 if is_another else known.last_row)


def _look(
    watched: WatchedSource, source: SourceSettings, known: KnownLog, enough: int, before: _Look | None, now: float
) -> _Look:
    look = _Look(_digest_of(source), "", now, (known.version, enough))
    if before and before.source != look.source:
        before = None
    same_question = before is not None and before.counted_for == look.counted_for
    if before and same_question and before.at <= now < before.at + watched.pause:
        return before
    look = replace(look, state=watched.state)
    if before and before.state == look.state and before.rows is not None and same_question:
        return replace(before, at=now)
    if watched.settles and not (before and before.state == look.state):
        return look
    new = watched.new_since(known, enough)
    return replace(look, rows=new.rows, remarks=new.remarks)


def _read(cursor: str | None) -> _Look | None:
    try:
        return TypeAdapter(_Look).validate_json(cursor or "")
    except ValidationError:  # the first look, or the cursor of another version of this program
        return None


def _digest_of(source: SourceSettings) -> str:
    dumped: dict[str, Any] = source.model_dump(mode="json")
    return digest(dumped)


def _sentence(found: NewRows, stored: int, enough: int) -> str:
    parts = [*found.remarks, *([f"stored by the service: {stored:,}"] if stored else [])]
    listed = f" ({'; '.join(parts)})" if parts else ""
    return f"{found.rows + stored:,} of the {enough:,} new listens that start a retrain{listed}."
