"""The columns of a listening log, raw and clean, with what must hold of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from loopback_core.errors import ArtifactError
from loopback_core.listens.log_rules import FIRST_TIME, LAST_TIME, OLDEST, TEXT_LENGTH, YOUNGEST, Reason, normal_form

SORT_KEYS = ("user_id", "timestamp", "file", "line")


@dataclass(frozen=True)
class RawLog:
    """A raw log: files that are read in place, and the profiles when there are any.

    `files` are of a known layout in a known container; `survey.py` tells which. `profiles` is a file, or an archive that holds `userid-profile.tsv`, or None. `sha256` are the digests
    that these files must have when they are read; a file that it does not name may have any. No listen of the log can
    be later than `last_moment`. `users` says who listened to what a file holds, where the file does not say it. `left_out` are
    the files and members of archives that are not read, by name, with the reason.

    `served` is the last of the files when the service has received listens (:class:`ServedRow`), `erased` says who was
    erased and when (:class:`ErasedUser`), when anybody was.
    """

    name: str
    files: tuple[Path, ...]
    profiles: Path | None
    sha256: Mapping[Path, str] = field(default_factory=dict)
    last_moment: datetime = LAST_TIME
    served: Path | None = None
    erased: Path | None = None
    users: Mapping[Path, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class RawRow(pa.DataFrameModel):
    """A row as it was read: its fields as text, or why it could not be split into them.

    Where `problem` is set the fields mean nothing.
    """

    line: pl.UInt32 = pa.Field(ge=1, description="Line of the file, from 1; the first line of a row that has several.")
    user_id: pl.String = pa.Field(nullable=True)
    timestamp: pl.String = pa.Field(nullable=True)
    artist_mbid: pl.String = pa.Field(nullable=True)
    artist_name: pl.String = pa.Field(nullable=True)
    track_mbid: pl.String = pa.Field(nullable=True)
    track_name: pl.String = pa.Field(nullable=True)
    problem: pl.String = pa.Field(
        nullable=True,
        isin=[reason.value for reason in Reason],
        description="Why the row could not be split, or is by its nature no listen.",
    )
    text: pl.String = pa.Field(description="The raw line without its line end, undecodable bytes replaced.")

    class Config:
        """Exactly these columns."""

        strict = True


class Listen(pa.DataFrameModel):
    """A clean listen. Rows are sorted by user_id, timestamp, file, line."""

    user_id: pl.String = pa.Field(description="Who listened.")
    timestamp: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        ge=FIRST_TIME, lt=LAST_TIME, description="When it began, UTC."
    )
    artist_name: pl.String = pa.Field(description="Artist, in normal form.")
    track_name: pl.String = pa.Field(description="Title, in normal form; with the artist the track's identity.")
    artist_mbid: pl.String = pa.Field(nullable=True, description="MusicBrainz id of the artist, when the log has it.")
    track_mbid: pl.String = pa.Field(nullable=True, description="MusicBrainz id of the recording, when the log has it.")
    file: pl.UInt16 = pa.Field(description="Which file of the log the row came from, from 0.")
    line: pl.UInt32 = pa.Field(ge=1, description="Line in that file, from 1.")

    @pa.check("user_id", "artist_name", "track_name")
    @classmethod
    def names_are_normal(cls, data: PolarsData) -> pl.LazyFrame:
        """Names are not blank, and in normal form: `str_length(min=1)` would accept " "."""
        name = pl.col(data.key)
        return data.lazyframe.select((name != "") & (name == name.map_batches(normal_form, pl.String)))

    @pa.check("artist_mbid", "track_mbid")
    @classmethod
    def ids_are_not_blank(cls, data: PolarsData) -> pl.LazyFrame:
        """A missing id is null, never a blank string."""
        return data.lazyframe.select((pl.col(data.key).str.strip_chars() != "").fill_null(True))

    @pa.dataframe_check
    @classmethod
    def rows_are_sorted(cls, data: PolarsData) -> pl.LazyFrame:
        """Each row comes strictly after the row before it, so no line of a file occurs twice either."""
        after = pl.lit(False)
        for key in reversed(SORT_KEYS):
            here, before = pl.col(key), pl.col(key).shift()
            after = (here > before) | ((here == before) & after)
        return data.lazyframe.select(after.fill_null(True).alias("sorted"))

    class Config:
        """Exactly these columns."""

        strict = True


class Reject(pa.DataFrameModel):
    """A row of the log that was not used, and why."""

    file: pl.UInt16 = pa.Field(description="Which file of the log the row came from, from 0.")
    line: pl.UInt32 = pa.Field(ge=1, description="Line in that file, from 1.")
    reason: pl.String = pa.Field(isin=[reason.value for reason in Reason])
    text: pl.String = pa.Field(
        description=f"The raw line, its first {TEXT_LENGTH} characters; blank where it is, or may be, that of an erased user."
    )

    class Config:
        """Exactly these columns."""

        strict = True


class Profile(pa.DataFrameModel):
    """The profiles that users filled in. Rows are sorted by user_id."""

    user_id: pl.String = pa.Field(unique=True)
    gender: pl.String = pa.Field(nullable=True, isin=["m", "f"])
    age: pl.UInt8 = pa.Field(nullable=True, in_range={"min_value": YOUNGEST, "max_value": OLDEST})
    country: pl.String = pa.Field(nullable=True)
    registered: pl.Date = pa.Field(nullable=True, description="Day of registration.")

    class Config:
        """Exactly these columns."""

        strict = True


class ProfileReject(pa.DataFrameModel):
    """A value of a profile that became null, or a row of the profiles that was not used."""

    line: pl.UInt32 = pa.Field(ge=1, description="Line in the profiles, from 1.")
    problem: pl.String = pa.Field(description="What is wrong with the value or the row.")
    value: pl.String = pa.Field(description=f"The value, or the first {TEXT_LENGTH} characters of the row.")

    class Config:
        """Exactly these columns."""

        strict = True


def validate(model: type[pa.DataFrameModel], frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` itself when `model` holds of it. A collected frame: of a lazy one pandera checks the types only.

    Raises:
        ArtifactError: it does not hold; the message counts the failures and shows the first.
    """
    try:
        model.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = pl.DataFrame(error.failure_cases)
        shown = "; ".join(
            f"{row['column']}: {row['check']}, {row['failure_case']!r}"
            + (f" in row {row['index']}" * (row["index"] is not None))
            for row in failures.head(3).iter_rows(named=True)
        )
        raise ArtifactError(
            f"{failures.height:,} values break the schema {model.__name__} ({shown}): build the interactions again."
        ) from None
    return frame


def validate_listens(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` itself when it holds clean listens in their order: the whole table, or consecutive rows of it.

    Raises:
        ArtifactError: :class:`Listen` does not hold.
    """
    return validate(Listen, frame)
