"""The watch history in Google Takeout, of which only YouTube Music is read."""

import re
from typing import Any

from loopback_core.listens.layouts.json_layout import JsonLayout, object_of, text_of
from loopback_core.listens.layouts.raw_rows import RawFields, no_listen
from loopback_core.listens.log_rules import Reason
from loopback_core.settings import SourceSettings

TOPIC = " - Topic"  # the channel that YouTube makes for an artist

WATCHED = re.compile(
    r"(?:Watched|Has visto|Vous avez regardé|Hai guardato|Você assistiu a|Je hebt gekeken naar)\s+(.+)|(.+?)\s+angesehen",
    re.DOTALL,
)
"""Titles in the languages that are known: Takeout writes them in that of the account."""


class YouTubeMusic(JsonLayout):
    """`watch-history.json` (choose JSON in Takeout, not HTML).

    The title of an entry is "Watched <title>", the channel "<artist> - Topic" or that of the artist. Entries of plain YouTube
    are not music; those without a channel, such as removed videos and visits of the start page, are no listens. How long
    something was played is not said.
    """

    name = "YouTube Music watch history"
    time_format = "iso"
    keys = frozenset({"header", "title", "time"})

    def fields(self, record: dict[str, Any], source: SourceSettings) -> RawFields:
        """See :class:`JsonLayout`."""
        if record.get("header") != "YouTube Music":
            return no_listen(Reason.NOT_MUSIC)
        channels = record.get("subtitles")
        channel = text_of(object_of(channels[0]).get("name")) if isinstance(channels, list) and channels else None
        if channel is None:
            return no_listen(Reason.NOT_A_LISTEN)
        found = WATCHED.fullmatch(text_of(record.get("title")) or "")
        title = (found[1] or found[2]) if found else None
        return RawFields(None, text_of(record.get("time")), None, channel.removesuffix(TOPIC), None, title)
