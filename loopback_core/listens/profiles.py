"""The profiles that come with a log: read, joined with its users; implausible values are removed and listed."""

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.containers import ARCHIVES, container_of, damage_named, streams
from loopback_core.listens.erasure import UNREAD, names_any
from loopback_core.listens.layouts.layout import HEAD_BYTES
from loopback_core.listens.lines import read_lines
from loopback_core.listens.log_file import open_log
from loopback_core.listens.log_paths import PROFILES
from loopback_core.listens.log_rules import OLDEST, PROFILE_COLUMNS, TEXT_LENGTH, YOUNGEST, normal_form
from loopback_core.listens.reading import BLOCK_BYTES
from loopback_core.listens.schema import Profile, ProfileReject, validate
from loopback_core.listens.text_stream import CountedStream
from loopback_core.settings import SourceSettings

MOST_PROFILES = 1 << 22  # lines; they are in memory at once
HEADER_NAMES = ("id", "userid", "user_id")
CHECKED_COLUMNS = ("gender", "age", "registered")


def read_profiles(
    path: Path,
    users: pl.Series,
    source: SourceSettings,
    latest: datetime,
    sha256: str | None = None,
    erased: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The profiles (Profile) of those of `users` who have one, and what was odd in the whole file (ProfileReject).

    `path` is a .tsv, a .tsv.gz or a .tar.gz that holds `userid-profile.tsv`. An implausible value becomes null: a
    gender other than m and f, an age outside of 8 to 100, a registration before `source.earliest` or after `latest`. A
    second profile of the same user is not used. sha256: the digest that the file must have; None: any. erased: users
    (ErasedUser) of whom neither profile nor odd value is kept, whatever they have listened to since; None: nobody.

    Raises:
        BadLogError: the file is missing, truncated, damaged, changed or too long.
    """
    blocks = [pl.DataFrame(schema={"line": pl.UInt32, "text": pl.String, "undecodable": pl.Boolean})]
    for block in _lines(path, sha256):
        blocks.append(block)
        if block["line"][-1] > MOST_PROFILES:
            raise BadLogError(f"{path} has more than {MOST_PROFILES:,} lines: keep only the users of the log in it.")
    lines = pl.concat(blocks)
    tabs = len(PROFILE_COLUMNS) - 1
    fields = pl.col("text").str.split_exact("\t", tabs).struct.rename_fields(list(PROFILE_COLUMNS))
    written = (
        lines.with_columns(fields.alias("fields"))
        .unnest("fields")
        .with_columns(pl.col(PROFILE_COLUMNS).map_batches(normal_form, pl.String).fill_null(""))
        .filter(~_is_header())
        .with_columns(_row_problem(tabs).alias("problem"))
    )
    if erased is not None:
        unread = pl.col("problem").is_in(UNREAD).fill_null(False)
        of_erased = pl.col("user_id").is_in(erased["user_id"].implode()) | (
            unread & pl.col("text").map_batches(lambda texts: names_any(texts, erased), pl.Boolean)
        )
        written = written.filter(~of_erased)
    rows = written.filter(pl.col("problem").is_null())
    parsed = rows.select("line", "user_id", **_values(source, latest))
    rejects = pl.concat(
        [
            written.filter(pl.col("problem").is_not_null()).select("line", "problem", value="text"),
            *(
                rows.filter((pl.col(name) != "") & parsed[name].is_null()).select(
                    "line", problem=pl.lit(f"odd {name}"), value=name
                )
                for name in CHECKED_COLUMNS
            ),
        ]
    )
    profiles = parsed.filter(pl.col("user_id").is_in(users.implode())).select(PROFILE_COLUMNS).sort("user_id")
    rejects = rejects.with_columns(pl.col("value").str.head(TEXT_LENGTH)).sort("line", "problem")
    return validate(Profile, profiles), validate(ProfileReject, rejects)


def _lines(path: Path, sha256: str | None) -> Iterator[pl.DataFrame]:
    """The lines of a file of profiles, or of the first in an archive."""
    with open_log(path, sha256) as file, damage_named(path):
        container = container_of(path, file.peek())
        found = False
        for member in streams(path, file, container):
            wanted = container not in ARCHIVES or Path(member.name).name == PROFILES
            if wanted and member.content is not None and not found:
                found = True
                stream = io.BufferedReader(CountedStream(member.content, HEAD_BYTES))
                yield from read_lines(stream, path, BLOCK_BYTES, 1)


def _is_header() -> pl.Expr:
    user = pl.col("user_id")
    return (pl.col("line") == 1) & (user.str.starts_with("#") | user.str.to_lowercase().is_in(HEADER_NAMES))


def _row_problem(tabs: int) -> pl.Expr:
    return (
        pl.when("undecodable")
        .then(pl.lit("undecodable bytes"))
        .when(pl.col("text").str.count_matches("\t", literal=True) != tabs)
        .then(pl.lit("wrong number of fields"))
        .when(pl.col("user_id") == "")
        .then(pl.lit("missing user"))
        .when(~pl.col("user_id").is_first_distinct())
        .then(pl.lit("repeated user"))
    )


def _values(source: SourceSettings, latest: datetime) -> dict[str, pl.Expr]:
    gender = pl.col("gender").str.to_lowercase()
    age = pl.col("age").cast(pl.Int64, strict=False)
    registered = pl.coalesce(pl.col("registered").str.to_date(form, strict=False) for form in ("%b %d, %Y", "%Y-%m-%d"))
    return {
        "gender": pl.when(gender.is_in(["m", "f"])).then(gender),
        "age": pl.when(age.is_between(YOUNGEST, OLDEST)).then(age).cast(pl.UInt8),
        "country": pl.when(pl.col("country") != "").then("country"),
        "registered": pl.when(registered.is_between(source.earliest.date(), latest.date())).then(registered),
    }
