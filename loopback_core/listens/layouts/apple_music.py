"""The CSV files of Apple Music that "Data & Privacy" of an account sends, in the folder Apple Music Activity."""

from collections.abc import Sequence

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.layouts.delimited_export import DelimitedExport, too_short, with_problem
from loopback_core.listens.layouts.dialect import Dialect
from loopback_core.listens.layouts.layout import LayoutFile
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings

APPLE_ARTISTS = ("Artist Name", "Container Artist Name")
APPLE_TITLES = ("Song Name", "Content Name")
MILLISECONDS = "Play Duration Milliseconds"
EVENT_START, EVENT_END = "Event Start Timestamp", "Event End Timestamp"


class ApplePlayActivity(DelimitedExport):
    """`Apple Music Play Activity.csv`: a row is an event of the player, of which the ends of a play are read.

    A play that was paused is several rows: those that are long enough are listens of their own. Rows without a start are
    dated by their end. Current exports have no `Artist Name`, and `Container Artist Name` is nearly always blank.
    """

    name = "Apple Music play activity"
    time_format = "iso"

    def columns_of(self, header: Sequence[str]) -> dict[str, str] | None:
        """See :class:`DelimitedExport`."""
        title = next((name for name in APPLE_TITLES if name in header), None)
        if title is None or not set(header) >= {EVENT_START, MILLISECONDS}:
            return None
        columns = {"timestamp": EVENT_START, "track_name": title, "milliseconds": MILLISECONDS}
        if artist := next((name for name in APPLE_ARTISTS if name in header), None):
            columns["artist_name"] = artist
        others = {"end": EVENT_END, "event": "Event Type", "media": "Media Type"}
        return columns | {ours: theirs for ours, theirs in others.items() if theirs in header}

    def columns(self, file: LayoutFile, dialect: Dialect) -> dict[str, str]:
        """See :class:`DelimitedExport`.

        Raises:
            BadLogError: the export names no artists.
        """
        columns = super().columns(file, dialect)
        if "artist_name" not in columns:
            raise BadLogError(
                f"{file.path} names no artists, like all of Apple's newer exports: give 'Apple Music - Play History Daily "
                "Tracks.csv' of the same folder instead."
            )
        return columns

    def finished(self, rows: pl.DataFrame, dialect: Dialect, source: SourceSettings) -> pl.DataFrame:
        """See :class:`DelimitedExport`."""
        if "event" in rows.columns:
            event = pl.col("event").str.strip_chars()
            rows = with_problem(rows, ~event.is_in(["", "PLAY_END"]), Reason.NOT_A_LISTEN)
        if "media" in rows.columns:
            rows = with_problem(rows, _is_video(pl.col("media")), Reason.NOT_MUSIC)
        rows = with_problem(rows, too_short("milliseconds", source), Reason.SHORT_PLAY)
        if "end" in rows.columns:
            start = pl.col("timestamp")
            rows = rows.with_columns(
                pl.when(start.str.strip_chars() != "").then(start).otherwise("end").alias("timestamp")
            )
        return rows


class AppleDailyTracks(DelimitedExport):
    """`Apple Music - Play History Daily Tracks.csv`: what was played in which hours of a day. A row is one listen.

    `Track Description` is artist and title with " - " between them: the first one divides them, so an artist with " - " in
    the name is cut. The first of `Hours` is the hour.
    """

    name = "Apple Music daily tracks"
    time_format = "iso"

    def columns_of(self, header: Sequence[str]) -> dict[str, str] | None:
        """See :class:`DelimitedExport`."""
        columns = {"timestamp": "Date Played", "hours": "Hours", "track_name": "Track Description"}
        columns |= {"milliseconds": MILLISECONDS, "media": "Media type"}
        return columns if set(header) >= set(columns.values()) else None

    def finished(self, rows: pl.DataFrame, dialect: Dialect, source: SourceSettings) -> pl.DataFrame:
        """See :class:`DelimitedExport`."""
        rows = with_problem(rows, _is_video(pl.col("media")), Reason.NOT_MUSIC)
        rows = with_problem(rows, too_short("milliseconds", source), Reason.SHORT_PLAY)
        day = pl.col("timestamp").str.strip_chars().str.replace(r"^(\d{4})(\d\d)(\d\d)$", "${1}-${2}-${3}")
        hour = pl.col("hours").str.extract(r"^\s*(\d{1,2})").str.zfill(2).fill_null("00")
        described = pl.col("track_name").str.splitn(" - ", 2)
        artist, title = described.struct.field("field_0"), described.struct.field("field_1")
        return rows.with_columns(
            (day + "T" + hour + ":00:00Z").alias("timestamp"),
            pl.when(title.is_not_null()).then(artist).alias("artist_name"),
            pl.coalesce(title, artist).alias("track_name"),
        )


def _is_video(media: pl.Expr) -> pl.Expr:
    return media.str.strip_chars().str.to_uppercase() == "VIDEO"
