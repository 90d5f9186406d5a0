"""What a file of a log is: its container, its layout, which of its streams are read, and what is left out and why."""

from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import Member
from loopback_core.listens.containers import (
    ARCHIVES,
    Container,
    container_of,
    damage_named,
    database_of,
    is_packed,
    other_packer,
    streams,
)
from loopback_core.listens.layouts.layout import HEAD_BYTES, Head, Layout
from loopback_core.listens.layouts.recognition import layout_by_name, layout_of, refusal
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_paths import ACCEPTED, PROFILES, empty, ignored_because
from loopback_core.listens.parquet_log import parquet_names_users
from loopback_core.listens.text_stream import CountedStream
from loopback_core.settings import SourceSettings

LASTFM_EVENTS = "userid-timestamp-"
"""The listens of Last.fm-1K begin so; in an archive with such a member no other is read."""

OTHER_LAYOUT = "of another layout than the listens"
REGULAR = "a file"  # a kind of member
SHOWN_MEMBERS = 10


@dataclass(frozen=True)
class LeftOut:
    """A file of a folder, or a member of an archive, that is not read."""

    name: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """How a file of a log is to be read.

    layout: None for Parquet, whose rows need the whole file. chosen: the streams that are read, by their number in the
    file; all have the same layout. promised: whether only the name tells the layout. names_users: whether all rows say who
    listened. common_folders: how many folders all that is chosen of an archive lies in. folders: those below
    them in which it lies; "" for what lies in none.
    """

    container: Container
    layout: Layout | None
    chosen: frozenset[int] = frozenset({0})
    names_users: bool = True
    left_out: tuple[LeftOut, ...] = ()
    has_profiles: bool = False
    promised: bool = False
    common_folders: int = 0
    folders: frozenset[str] = frozenset()

    @property
    def layout_name(self) -> str:
        """As it stands in sentences."""
        return "Parquet" if self.layout is None else self.layout.name

    @property
    def form_is_fixed(self) -> bool:
        """Whether the layout says how times are written."""
        return self.layout is not None and self.layout.time_format is not None

    def settings(self, source: SourceSettings) -> SourceSettings:
        """The settings as they hold of the rows: where a layout fixes how times are written, they do not say it."""
        if self.layout is None or self.layout.time_format is None:
            return source
        return source.model_copy(update={"time_format": self.layout.time_format, "time_zone": "UTC"})


def survey(path: Path, source: SourceSettings) -> Survey:
    """Looks at a file of a log: at its first bytes, or at the beginning of every member of an archive.

    Raises:
        BadLogError: it cannot be read, is damaged or empty, or nothing in it is a log of a known layout.
    """
    with open_log(path) as file, damage_named(path):
        start = file.peek()
        if not start:
            raise empty(path)
        if packer := other_packer(start):
            raise BadLogError(f"{path} is packed by {packer}, which is not read: unpack it, or repack it with gzip.")
        if scheme := database_of(start):
            raise BadLogError(
                f"{path} is a database: give its address, {scheme}:///{path.absolute()}, as LOOPBACK_SOURCE (source.name), and "
                "[source] table or query."
            )
        container = container_of(path, start)
        if container == "parquet":
            return Survey(container, None, names_users=parquet_names_users(path, source))
        if container in ARCHIVES:
            members = enumerate(streams(path, file, container))
            return _of_archive(path, container, [_seen(number, member, source) for number, member in members])
        stream = next(streams(path, file, container))
        head = Head(stream.name, head_of(stream.content), source)
    recognised = layout_of(head)
    if recognised is None and container == "gzip" and is_packed(head.content):
        raise BadLogError(f"{path} is packed twice: unpack it once.")
    layout = recognised or layout_by_name(head)
    if layout is None:
        raise refusal(path, head, ACCEPTED)
    return Survey(container, layout, names_users=layout.names_users(head), promised=recognised is None)


def head_of(stream: IO[bytes] | None) -> bytes:
    """The beginning of a stream, by which it is recognised."""
    return CountedStream(stream, HEAD_BYTES).head


@dataclass(frozen=True)
class _Seen:
    """A member of an archive. layout: by its content, or as its name promises; None where `reason` says why not."""

    number: int
    name: str
    kind: str
    layout: Layout | None = None
    promised: bool = False
    names_users: bool = True
    reason: str = ""


def _seen(number: int, member: Member, source: SourceSettings) -> _Seen:
    content, name = member.content, Path(member.name).name
    looked_at = partial(_Seen, number, member.name, member.kind)
    if content is None or (reason := ignored_because(name)):
        return looked_at(reason=member.kind if content is None else reason)
    head = Head(name, head_of(content), source)
    if not head.content:
        return looked_at(reason="empty")
    recognised = layout_of(head)
    if recognised is None and is_packed(head.content):
        return looked_at(reason="packed once more: unpack it")
    layout = recognised or layout_by_name(head)
    if layout is None:
        return looked_at(reason="of no known layout")
    return looked_at(layout, recognised is None, layout.names_users(head))


def _of_archive(path: Path, container: Container, seen: list[_Seen]) -> Survey:
    usable = [one for one in seen if one.layout]
    events = [one for one in usable if Path(one.name).name.startswith(LASTFM_EVENTS)]
    best = min(events or usable, key=lambda one: one.promised, default=None)
    if best is None:
        held = ", ".join(one.name + f" ({one.reason})" * (one.reason != "") for one in seen[:SHOWN_MEMBERS])
        raise BadLogError(f"{path} holds no log of a known layout, but {held or 'no files'}: give {ACCEPTED}.")
    _refuse_several_layouts(path, [one for one in events or usable if not one.promised])
    chosen = {one.number for one in events or usable if one.layout is best.layout}
    paths = [PurePosixPath(one.name).parts[:-1] for one in seen if one.number in chosen]
    common = _common_folders(paths)
    others = [one for one in seen if one.number not in chosen and not _is_profiles(one)]
    return Survey(
        container,
        best.layout,
        frozenset(chosen),
        all(one.names_users for one in seen if one.number in chosen),
        tuple(LeftOut(f"{path.name}: {one.name}", one.reason or OTHER_LAYOUT) for one in others),
        any(map(_is_profiles, seen)),
        common_folders=common,
        folders=frozenset(path[common] if len(path) > common else "" for path in paths),
    )


def _common_folders(paths: list[tuple[str, ...]]) -> int:
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False)))


def _refuse_several_layouts(path: Path, recognised: list[_Seen]) -> None:
    names = {one.layout.name: one.name for one in recognised if one.layout}
    if len(names) > 1:
        shown = " and ".join(f"{name} ({layout})" for layout, name in names.items())
        raise BadLogError(
            f"{path} holds listens in several layouts, {shown}: unpack it and give those of one layout, so that no listen is "
            "read twice."
        )


def _is_profiles(one: _Seen) -> bool:
    return Path(one.name).name == PROFILES and one.kind == REGULAR
