"""Spotify's extended streaming history, as the privacy page of an account sends it; its "ReadMeFirst" describes the fields."""

import re
from typing import Any

from loopback_core.listens.layouts.json_layout import JsonLayout, is_short, seconds_played, start_of, text_of
from loopback_core.listens.layouts.raw_rows import RawFields, no_listen
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings

OF_OTHER_THINGS = ("episode_name", "spotify_episode_uri", "audiobook_title", "audiobook_uri", "audiobook_chapter_uri")


class SpotifyExtended(JsonLayout):
    """`Streaming_History_Audio_*.json`, `Streaming_History_Video_*.json`, in older exports `endsong_*.json`.

    `ts` is when the stream stopped. A listen is dated by its start, like those of every other service, so `ms_played` is
    taken off. Podcasts, audiobooks, and videos that are no track are not music. Older exports name the user in every record.
    """

    name = "Spotify extended streaming history"
    time_format = "iso"
    several_files = True
    own_names = re.compile("Streaming_History_|endsong", re.IGNORECASE)
    keys = frozenset({"ts", "ms_played", "master_metadata_track_name"})

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        user = text_of(record.get("username"))
        track = text_of(record.get("master_metadata_track_name"))
        artist = text_of(record.get("master_metadata_album_artist_name"))
        if track is None and (_holds(record, OF_OTHER_THINGS) or not _holds(record, ("spotify_track_uri",))):
            return no_listen(Reason.NOT_MUSIC, user)
        seconds = seconds_played(record.get("ms_played"))
        if is_short(seconds, source):
            return no_listen(Reason.SHORT_PLAY, user)
        return RawFields(user, start_of(record.get("ts"), seconds), None, artist, None, track)


def _holds(record: dict[str, Any], keys: tuple[str, ...]) -> bool:
    return any(record.get(key) for key in keys)
