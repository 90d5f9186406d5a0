"""Records that are parsed one by one, gathered into frames of raw rows."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import polars as pl

from loopback_core.listens.log_rules import RAW_SCHEMA, Reason

RECORD_BYTES = 512  # what a row of Python strings takes besides its raw text, roughly


class RawFields(NamedTuple):
    """The fields of one record as text; None where it has none, all None where `problem` says why it is no listen."""

    user_id: str | None = None
    timestamp: str | None = None
    artist_mbid: str | None = None
    artist_name: str | None = None
    track_mbid: str | None = None
    track_name: str | None = None
    problem: str | None = None


def no_listen(reason: Reason, user_id: str | None = None) -> RawFields:
    """The fields of a record that is no listen. user_id: whose record it is, where the record says so."""
    return RawFields(user_id, problem=reason.value)


def raw_frames(records: Iterable[tuple[RawFields, str]], first: int, block_bytes: int) -> Iterator[pl.DataFrame]:
    """Fields and raw text of consecutive records as frames with RAW_SCHEMA of about `block_bytes`.

    first: the number of the first record. Text must be free of lone surrogates.
    """
    batch: list[tuple[object, ...]] = []
    size = 0
    for line, (fields, text) in enumerate(records, first):
        batch.append((line, *fields, text))
        size += RECORD_BYTES + len(text)
        if size >= block_bytes:
            yield pl.DataFrame(batch, RAW_SCHEMA, orient="row")
            batch, size = [], 0
    if batch:
        yield pl.DataFrame(batch, RAW_SCHEMA, orient="row")
