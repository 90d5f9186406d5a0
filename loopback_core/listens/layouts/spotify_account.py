"""The streaming history in Spotify's account data: the last year, without ids; "Understanding my data" describes it."""

import re
from typing import Any

from loopback_core.listens.layouts.json_layout import JsonLayout, is_short, seconds_played, start_of, text_of
from loopback_core.listens.layouts.raw_rows import RawFields, no_listen
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings


class SpotifyAccount(JsonLayout):
    """`StreamingHistory_music_*.json`, `StreamingHistory_podcast_*.json`, in older exports `StreamingHistory*.json`.

    `endTime` is the minute, UTC, in which the stream stopped; `msPlayed` is taken off, as in the extended history.
    Only records with `trackName` are music.
    """

    name = "Spotify account data"
    time_format = "iso"
    several_files = True
    own_names = re.compile("StreamingHistory", re.IGNORECASE)
    keys = frozenset({"endTime", "msPlayed"})

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        if "trackName" not in record:
            return no_listen(Reason.NOT_MUSIC)
        seconds = seconds_played(record.get("msPlayed"))
        if is_short(seconds, source):
            return no_listen(Reason.SHORT_PLAY)
        began = start_of(record.get("endTime"), seconds)
        return RawFields(None, began, None, text_of(record.get("artistName")), None, text_of(record["trackName"]))
