"""The files of a log as raw rows, each with its line number, whatever the container and the layout."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from loopback_core.listens.archive import Member
from loopback_core.listens.conservation import Conservation
from loopback_core.listens.containers import damage_named, streams
from loopback_core.listens.layouts.layout import HEAD_BYTES, Head, LayoutFile
from loopback_core.listens.lines import Advance
from loopback_core.listens.log_file import open_log, refuse_other_digest
from loopback_core.listens.log_rules import INVISIBLE
from loopback_core.listens.parquet_log import read_parquet
from loopback_core.listens.schema import RawRow, validate
from loopback_core.listens.survey import Survey, survey
from loopback_core.listens.text_stream import CountedStream
from loopback_core.listens.users_of_files import user_of, user_of_member
from loopback_core.settings import SourceSettings

BLOCK_BYTES = 1 << 26


def read_rows(
    path: Path,
    source: SourceSettings,
    advance: Advance,
    block_bytes: int = BLOCK_BYTES,
    sha256: str | None = None,
    surveyed: Survey | None = None,
    user: str | None = None,
) -> Iterator[pl.DataFrame]:
    """The rows of one file of a log in the order of its lines, in frames (:class:`RawRow`) of about `block_bytes`.

    `advance` is called with the bytes read since the last call. Nothing is left out but headers, and the members of an
    archive that the survey names. sha256: the digest that the file must have, compared once the last row was read; None:
    any. surveyed: what :func:`look_at` has found; None: it is looked at first. user: who listened, where the rows do not say;
    None: as the settings or the names say.

    Raises:
        BadLogError: the file is missing, truncated, damaged, changed, of an unknown layout, or lacks a column; or a line of
            it would be lost.
    """
    surveyed = surveyed or look_at(path, source, sha256)
    user = user or user_of(path, path, surveyed, source)
    if surveyed.layout is None:
        frames = read_parquet(path, source, block_bytes, advance, sha256)
    else:
        frames = _layout_rows(path, source, block_bytes, advance, sha256, surveyed, user)
    for frame in frames:
        if user is not None and not surveyed.names_users:
            frame = frame.with_columns(_user_or(user))
        yield validate(RawRow, frame)


def look_at(path: Path, source: SourceSettings, sha256: str | None = None) -> Survey:
    """The survey of a file that must have a digest.

    Raises:
        BadLogError: see `survey`; a wrong digest is reported before any other error in the content.
    """
    try:
        return survey(path, source)
    except Exception:
        if sha256 is not None:
            refuse_other_digest(path, sha256)
        raise


def _layout_rows(
    path: Path,
    source: SourceSettings,
    block_bytes: int,
    advance: Advance,
    sha256: str | None,
    surveyed: Survey,
    user: str | None,
) -> Iterator[pl.DataFrame]:
    first, advanced = 1, 0
    with open_log(path, sha256) as file, damage_named(path):
        for number, member in enumerate(streams(path, file, surveyed.container)):
            if number not in surveyed.chosen:
                continue
            for rows in _stream_rows(path, source, block_bytes, surveyed, member, first):
                if user is None and not surveyed.names_users:  # each member is the history of one person
                    rows = rows.with_columns(_user_or(user_of_member(member.name, surveyed.common_folders)))
                yield rows
                first = rows["line"][-1] + 1
                advance(file.tell() - advanced)
                advanced = file.tell()


def _user_or(other: str) -> pl.Expr:
    """Who listened, as the rows say it; `other` where they are blank."""
    blank = pl.col("user_id").fill_null("").str.strip_chars(INVISIBLE) == ""
    return pl.when(blank).then(pl.lit(other)).otherwise("user_id").alias("user_id")


def _stream_rows(
    path: Path, source: SourceSettings, block_bytes: int, surveyed: Survey, member: Member, first: int
) -> Iterator[pl.DataFrame]:
    layout = surveyed.layout
    assert layout is not None
    name = Path(member.name).name
    stream = CountedStream(member.content, HEAD_BYTES)
    lines = Conservation(path, first, layout.header_lines(Head(name, stream.head, source))) if layout.by_lines else None
    for rows in layout.rows(io.BufferedReader(stream, HEAD_BYTES), LayoutFile(path, source, first, name), block_bytes):
        if rows.is_empty():
            continue
        if lines:
            lines.follow(rows)
        yield rows
    if lines:
        lines.refuse_lost(stream.lines)
