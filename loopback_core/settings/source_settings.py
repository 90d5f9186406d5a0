"""The settings of the listening log and of its split."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_serializer

from loopback_core.settings.addresses import shown_address, without_secrets
from loopback_core.settings.section import ReadIf, Section, Seed, Text

EPOCH_FORMATS = ("epoch_seconds", "epoch_milliseconds")

Query = Annotated[str, Field(max_length=1 << 16, pattern=r"^[^\x00]*$")]
SplitStrategy = Literal["global", "dates", "per_user", "leave_last"]


def _known_time_format(text: str) -> str:
    if text == "iso" or text in EPOCH_FORMATS:
        return text
    moment = datetime(2021, 2, 13, 14, 45, tzinfo=UTC)
    with suppress(ValueError):
        if datetime.strptime(moment.strftime(text), text).date() == moment.date():
            return text
    raise ValueError(
        "it is neither iso, epoch_seconds nor epoch_milliseconds, nor a pattern that reads day, month and year, such as "
        "'%d %b %Y %H:%M'"
    )


def _known_time_zone(text: str) -> str:
    with suppress(KeyError, ValueError, OSError):  # not found; no name of one; a folder of time zones
        if text == "UTC" or ZoneInfo(text):
            return text
    raise ValueError("it is no IANA time zone, such as 'Europe/Berlin'")


class SourceSettings(Section):
    """Where the listening log comes from and how it is laid out.

    LOOPBACK_SOURCE chooses the log of a run, so a settings file may say what each kind of log needs.
    """

    name: Text = Field(
        "sample",
        description="'sample', 'lastfm-1k', the path of a log (a file or a folder of files), or the address of a database, an "
        "object store or a lake; ${NAME} in an address is taken from the environment.",
    )
    query: Query | None = Field(
        None, description="For an address of a database: the SELECT whose rows are the listens. Read-only."
    )
    table: Text | None = Field(
        None, description="For an address of a database: the table of listens, instead of a query."
    )
    sample_events: int = Field(300_000, ge=1, le=10**9, description="Events of the generated sample log.")
    sample_users: int = Field(300, ge=1, le=10**7, description="Users of the generated sample log.")
    sample_seed: Seed = Field(0, description="Seed of the generated sample log.")
    columns: dict[Text, Text] = Field(
        default_factory=dict,
        max_length=1000,
        description="For text with a header (.csv, .tsv) and .parquet: our column name -> the file's, e.g. {artist_name = 'artist'}. "
        "Ours are user_id, timestamp, artist_mbid, artist_name, track_mbid, track_name.",
    )
    user: Text | None = Field(
        None,
        min_length=1,
        description="Who listened, where a log does not say: a name, or 'file' for the name of each file or sub-folder. Unset: "
        "'file' in exports of one person, and where `columns` maps a file in which no column looks like one of users.",
    )
    time_format: Annotated[str, AfterValidator(_known_time_format)] = Field(
        "iso",
        max_length=100,
        description="How times are written: 'iso' (ISO 8601), 'epoch_seconds' or 'epoch_milliseconds' (since 1970-01-01 UTC), "
        "or a pattern of strptime such as '%d %b %Y %H:%M'.",
    )
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = Field(
        "UTC", max_length=100, description="Time zone of times that do not name theirs, such as 'Europe/Berlin'."
    )
    least_seconds_played: float = Field(
        30.0,
        ge=0,
        le=86_400,
        description="Shorter plays are no listens, in layouts that say how long a play lasted; 0 keeps them all.",
    )
    earliest: datetime = Field(
        datetime(2000, 1, 1, tzinfo=UTC),
        strict=False,
        description="Listens before this time are rejected as implausible.",
    )
    latest: datetime | None = Field(
        None,
        strict=False,
        description="Listens after this time are rejected as implausible; unset: the end of the day (UTC) after the one "
        "on which raw_listens first published these bytes. That time is part of the version of interactions.",
    )
    download_folder: Text | None = Field(
        None,
        description="Where the lastfm-1k archive is looked for and downloaded; unset: downloads/ in LOOPBACK_HOME.",
    )
    mirrors: list[Text] = Field(
        default_factory=lambda: [
            "https://zenodo.org/records/6090214/files/lastfm-dataset-1K.tar.gz?download=1",
            "http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz",
            "https://web.archive.org/web/2022id_/http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz",
        ],
        max_length=100,
        description="Addresses of the lastfm-1k archive, tried in order.",
    )

    def contradiction(self) -> str:
        """See :class:`Section`."""
        if self.latest is not None and in_utc(self.latest) < in_utc(self.earliest):
            return "source.earliest must not lie after source.latest"
        if self.time_zone != "UTC" and self.time_format in EPOCH_FORMATS:
            return (
                f"source.time_zone is given, but source.time_format = {self.time_format!r} counts from 1970-01-01 UTC"
            )
        if self.query is not None and self.table is not None:
            return "source.query and source.table are both given: leave one, the query may name the table"
        return ""

    @field_serializer("name", "query")
    def _dump_no_secret(self, value: str | None) -> str | None:
        return None if value is None else without_secrets(shown_address(value))


class SplitSettings(Section):
    """How the log is cut into train, validation and test."""

    strategy: SplitStrategy = Field("global", description="global, dates, per_user or leave_last.")
    validation_fraction: Annotated[float, ReadIf(strategy=("global", "per_user"))] = Field(
        0.1, gt=0, lt=1, description="global, per_user: share of the events that goes to validation."
    )
    test_fraction: Annotated[float, ReadIf(strategy=("global", "per_user"))] = Field(
        0.1, gt=0, lt=1, description="global, per_user: share of the events that goes to test."
    )
    train_until: Annotated[datetime | None, ReadIf(strategy="dates")] = Field(
        None, strict=False, description="dates: last moment of train (inclusive)."
    )
    validation_until: Annotated[datetime | None, ReadIf(strategy="dates")] = Field(
        None, strict=False, description="dates: last moment of validation (inclusive)."
    )
    held_out_users: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the users, drawn by seed, left out of the fit data: for the task new_users.",
    )
    seed: Seed = Field(0, description="Seed of the choice of held-out users.")

    def contradiction(self) -> str:
        """See :class:`Section`."""
        if self.validation_fraction + self.test_fraction >= 1:
            return "split.validation_fraction + split.test_fraction must be below 1, or train gets nothing"
        if self.strategy != "dates":
            return ""
        if self.train_until is None or self.validation_until is None:
            return "split.strategy = 'dates' needs split.train_until and split.validation_until"
        if not int(in_utc(self.train_until).timestamp()) < int(in_utc(self.validation_until).timestamp()):
            return "split.train_until must lie before split.validation_until"
        return ""


def in_utc(moment: datetime) -> datetime:
    """A time without a zone is read as UTC, like the times of the log."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
