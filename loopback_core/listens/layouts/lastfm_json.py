"""Last.fm exports in JSON, as common tools write them: pages of the API, and lastfmstats.com.

The method user.getRecentTracks of the Last.fm API describes a track; lastfm-stats-web, its own export.
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

import polars as pl

from loopback_core.listens.layouts.json_layout import JsonLayout, object_of, text_of
from loopback_core.listens.layouts.json_records import json_records
from loopback_core.listens.layouts.layout import LayoutFile
from loopback_core.listens.layouts.raw_rows import RawFields, no_listen, raw_frames
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings


class LastfmPages(JsonLayout):
    """The answers of user.getRecentTracks: one, or an array of them, with or without their outer object `recenttracks`.

    A track without a date is being played now. A page with one track has it as `track` without an array.
    """

    name = "Last.fm API pages"
    time_format = "epoch_seconds"
    several_files = True
    own_names = re.compile(r"(?:page|recent_?tracks)?[-_ ]?\d*\.", re.IGNORECASE)
    keys = frozenset({"artist", "name", "date"})
    opening = re.compile(r'(?:\s*\[)?[^\[]*?"track"\s*:\s*(?:\[|(?=\{))')

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        date, artist = record.get("date"), object_of(record.get("artist"))
        if date is None:
            return no_listen(Reason.NOT_A_LISTEN)
        return RawFields(
            None,
            text_of(object_of(date).get("uts")),
            text_of(artist.get("mbid")),
            text_of(artist.get("#text", artist.get("name"))),
            text_of(record.get("mbid")),
            text_of(record.get("name")),
        )


class LastfmTracks(LastfmPages):
    """The tracks of these answers in one array."""

    name = "Last.fm API tracks"
    opening = re.compile(r"\s*\[")


class LastfmStatsJson(JsonLayout):
    """`lastfmstats-<user>.json`: an object with `username` and `scrobbles`, whose dates are milliseconds since 1970."""

    name = "lastfmstats.com JSON"
    has_users = True
    time_format = "epoch_milliseconds"
    keys = frozenset({"track", "artist", "date"})
    opening = re.compile(r'[^\[]*?\{\s*"username"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"scrobbles"\s*:\s*\[')

    def rows(self, stream: IO[bytes], file: LayoutFile, block_bytes: int) -> Iterator[pl.DataFrame]:
        """See :class:`Layout`."""
        users: list[str | None] = []
        records = json_records(
            stream, file.path, self.opening, lambda begun: users.append(text_of(json.loads(begun[1], strict=False)))
        )
        yield from raw_frames(
            (
                (self.checked(value, text, file.source)._replace(user_id=users[-1]), self.shown(text))
                for value, text in records
            ),
            file.first_line,
            block_bytes,
        )

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        artist, track = text_of(record.get("artist")), text_of(record.get("track"))
        return RawFields(None, text_of(record.get("date")), None, artist, None, track)
