"""What the ingest demands of a log, without the schemas, which take seconds to import: columns, times, names, reasons."""

from datetime import UTC, datetime
from enum import StrEnum

import polars as pl

RAW_COLUMNS = ("user_id", "timestamp", "artist_mbid", "artist_name", "track_mbid", "track_name")
"""The six tab-separated fields of a Last.fm line, in their order."""

RAW_SCHEMA = {"line": pl.UInt32, **dict.fromkeys((*RAW_COLUMNS, "problem", "text"), pl.String)}
"""The columns of a raw row: a line and its fields as text, or why it has none (see `RawRow`)."""

PROFILE_COLUMNS = ("user_id", "gender", "age", "country", "registered")
"""The five tab-separated fields of userid-profile.tsv, which has a header."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8

BLANK = (b"\n", b"\r\n", b"\r")  # one such line at the end of a text is not a line

FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(2100, 1, 1, tzinfo=UTC)
"""No listen lies outside of these two, whatever the settings allow."""

YOUNGEST, OLDEST = 8, 100
"""Ages outside of this range are taken for errors."""

TEXT_LENGTH = 500
"""Characters that are kept of a rejected line."""

MOST_LINES = 2**32 - 1
"""Lines of one file: their numbers have 32 bits."""


class Reason(StrEnum):
    """Why a row was rejected; the first that holds, in this order."""

    UNDECODABLE_BYTES = "undecodable bytes"
    WRONG_FIELD_COUNT = "wrong number of fields"
    UNREADABLE_RECORD = "unreadable record"
    NOT_MUSIC = "not music"
    NOT_A_LISTEN = "not a listen"
    SKIPPED = "skipped"
    SHORT_PLAY = "played too short"
    MISSING_USER = "missing user"
    ERASED_USER = "erased user"
    MISSING_ARTIST = "missing artist"
    MISSING_TITLE = "missing title"
    UNREADABLE_TIMESTAMP = "unreadable timestamp"
    IMPLAUSIBLE_DATE = "implausible date"
    EXACT_DUPLICATE = "exact duplicate"


BLAMELESS = (
    Reason.EXACT_DUPLICATE.value,
    Reason.ERASED_USER.value,
    Reason.NOT_MUSIC.value,
    Reason.NOT_A_LISTEN.value,
    Reason.SKIPPED.value,
    Reason.SHORT_PLAY.value,
)
"""Reasons that tell nothing bad of a log: counted, but not in its share of rejected rows."""


ASCII_INVISIBLE = "".join(map(chr, (*range(0x21), 0x7F)))
"""What :func:`normal_form` takes off the ends of ASCII: white space and controls."""

INVISIBLE = ASCII_INVISIBLE + "".join(
    map(
        chr,
        (
            *range(0x80, 0xA1),  # controls, and a space that does not break
            *(0xAD, 0x61C, 0x1680, 0x180E),  # soft hyphen, Arabic letter mark, Ogham space, Mongolian vowel separator
            *range(0x2000, 0x2010),  # spaces, zero width, marks of direction
            *range(0x2028, 0x2030),  # ends of lines, embeddings of direction, a narrow space
            *range(0x205F, 0x2070),  # a space, word joiner, invisible operators, isolates of direction
            *(0x2800, 0x3000, 0x3164, 0xFFA0),  # blank Braille, ideographic space, Hangul fillers
            0xFEFF,  # the byte order mark, left in the middle where files were joined
            *range(0xFFF9, 0xFFFC),  # marks of annotations
        ),
    )
)
"""What it takes off the ends of all other names. Marks that change how a letter before them looks are no part of it."""


def normal_form(names: pl.Series) -> pl.Series:
    """Names as they are compared, of users, artists and titles alike: Unicode NFC, nothing invisible at their ends."""
    beyond_ascii = (names.str.len_bytes() != names.str.len_chars()).arg_true()
    if len(beyond_ascii):  # NFC leaves ASCII as it is, and is slow: each of the others is brought into it once
        others = names.gather(beyond_ascii)
        distinct = others.unique()
        normal = distinct.str.normalize("NFC").str.strip_chars(INVISIBLE)
        names = names.scatter(beyond_ascii, others.replace_strict(distinct, normal, return_dtype=pl.String))
    return names.str.strip_chars(ASCII_INVISIBLE)
