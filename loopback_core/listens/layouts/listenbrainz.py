"""Exports of ListenBrainz. Its documentation of the "JSON format" describes a listen."""

import re
from typing import Any

from loopback_core.listens.layouts.json_layout import JsonLayout, JsonLinesLayout, object_of, text_of
from loopback_core.listens.layouts.raw_rows import RawFields, no_listen
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings

LISTEN_KEYS = frozenset({"listened_at", "track_metadata"})


class ListenBrainzLines(JsonLinesLayout):
    """The zip of an account: `listens/<year>/<month>.jsonl` are read, not its feedback and pins.

    The ids are those to which ListenBrainz matched the listen, else those that the player sent. An artist's id is taken
    only when there is one artist: `artist_name` is the whole credit.
    """

    name = "ListenBrainz export"
    time_format = "epoch_seconds"
    several_files = True
    own_names = re.compile(r"\d+\.")
    keys = LISTEN_KEYS

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        return _fields(record)


class ListenBrainzArray(JsonLayout):
    """Older exports, one array; and the answers of the API, which hold it as `listens`."""

    name = "ListenBrainz export (one array)"
    time_format = "epoch_seconds"
    keys = LISTEN_KEYS
    opening = re.compile(r'\s*\[|[^\[]*?"listens"\s*:\s*\[')

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        return _fields(record)


def _fields(record: dict[str, Any]) -> RawFields:
    user = text_of(record.get("user_name"))
    if record.get("listened_at") is None:  # what is being played now
        return no_listen(Reason.NOT_A_LISTEN, user)
    track = object_of(record.get("track_metadata"))
    ids = (object_of(track.get("mbid_mapping")), object_of(track.get("additional_info")))
    artists = next((found for held in ids if isinstance(found := held.get("artist_mbids"), list) and found), [])
    recording = next((found for held in ids if (found := text_of(held.get("recording_mbid")))), None)
    return RawFields(
        user,
        text_of(record["listened_at"]),
        text_of(artists[0]) if len(artists) == 1 else None,
        text_of(track.get("artist_name")),
        recording,
        text_of(track.get("track_name")),
    )
