"""Last.fm exports in CSV, as common tools write them: lastfm-export of ghan.nl, lastfm-to-csv, lastfmstats.com."""

import csv
import re
from collections.abc import Sequence

import polars as pl

from loopback_core.listens.layouts.delimited_export import DelimitedExport
from loopback_core.listens.layouts.dialect import Dialect
from loopback_core.listens.layouts.layout import Head
from loopback_core.listens.time_forms import parse_times
from loopback_core.settings import SourceSettings

LASTFM_NAMES = {
    "artist": "artist_name",
    "track": "track_name",
    "artist_mbid": "artist_mbid",
    "track_mbid": "track_mbid",
}
LASTFM_OTHERS = {"uts", "utc_time", "date", "album", "album_mbid"}

LASTFM_DATE = re.compile(r"\d\d? [A-Z][a-z]{2} \d{4},? \d\d?:\d\d")
_LOOKED_AT = 100  # lines


def _columns(header: Sequence[str], *times: str) -> dict[str, str] | None:
    """The columns of an export of which `times` is the first column with times that it has."""
    by_name = {name.lower(): name for name in header}
    known = by_name.keys() <= LASTFM_NAMES.keys() | LASTFM_OTHERS and by_name.keys() >= {"artist", "track"}
    time = next((name for name in ("uts", "utc_time", "date") if name in by_name), None)
    if not known or time not in times:
        return None
    return {"timestamp": by_name[time]} | {
        ours: by_name[name] for name, ours in LASTFM_NAMES.items() if name in by_name
    }


class LastfmUts(DelimitedExport):
    """A header of uts, utc_time, artist, artist_mbid, album, album_mbid, track, track_mbid, or some of them: seconds in `uts`."""

    name = "Last.fm CSV with uts"
    time_format = "epoch_seconds"

    def columns_of(self, header: Sequence[str]) -> dict[str, str] | None:
        """See :class:`DelimitedExport`."""
        return _columns(header, "uts")


class LastfmDates(DelimitedExport):
    """The same without `uts`: times such as "22 Mar 2021, 16:55" or "22 Mar 2021 16:55", in UTC."""

    name = "Last.fm CSV with dates"
    time_format = "iso"

    def columns_of(self, header: Sequence[str]) -> dict[str, str] | None:
        """See :class:`DelimitedExport`."""
        return _columns(header, "utc_time", "date")

    def recognises(self, head: Head) -> bool:
        """The header has the names, and one of the first lines a time in this form."""
        return super().recognises(head) and any(map(LASTFM_DATE.search, head.lines[1:_LOOKED_AT]))

    def finished(self, rows: pl.DataFrame, dialect: Dialect, source: SourceSettings) -> pl.DataFrame:
        """See :class:`DelimitedExport`."""
        times = rows["timestamp"].str.replace(",", "", literal=True)
        read = parse_times(times, "%d %b %Y %H:%M").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        return rows.with_columns(read.fill_null(rows["timestamp"]).alias("timestamp"))


class LastfmDatesOnly(LastfmDates):
    """The same without a header: artist, album, track, date."""

    name = "Last.fm CSV without a header"
    header = ("artist", "album", "track", "date")

    def recognises(self, head: Head) -> bool:
        """Most lines are four fields, of which the last is a time in this form."""
        lines = head.lines[:_LOOKED_AT]
        return 2 * sum(map(self._fits, lines)) > len(lines)

    def _fits(self, line: str) -> bool:
        if LASTFM_DATE.search(line) is None:
            return False
        try:
            fields = next(csv.reader([line]), [])
        except csv.Error:  # a carriage return in it
            return False
        return len(fields) == len(self.header) and LASTFM_DATE.fullmatch(fields[-1].strip()) is not None

    def dialect(self, head: Head) -> Dialect:
        """See :class:`DelimitedText`."""
        return Dialect(",", self.header, 0)


class LastfmStatsCsv(DelimitedExport):
    """`lastfmstats-<user>.csv`: Artist, Album, Track and Date#<user> by semicolons; milliseconds since 1970."""

    name = "lastfmstats.com CSV"
    has_users = True
    time_format = "epoch_milliseconds"
    time = "Date#"

    def columns_of(self, header: Sequence[str]) -> dict[str, str] | None:
        """See :class:`DelimitedExport`."""
        times = [name for name in header if name.startswith(self.time) and len(name) > len(self.time)]
        if len(times) != 1 or not set(header) >= {"Artist", "Track"}:
            return None
        return {"timestamp": times[0], "artist_name": "Artist", "track_name": "Track"}

    def finished(self, rows: pl.DataFrame, dialect: Dialect, source: SourceSettings) -> pl.DataFrame:
        """See :class:`DelimitedExport`."""
        user = (self.columns_of(dialect.header) or {})["timestamp"].removeprefix(self.time)
        return rows.with_columns(pl.lit(user).alias("user_id"))
