"""Apple's two files: the play activity, and the daily tracks, which name the artists."""

import csv
import io
from collections.abc import Sequence

import pytest

from loopback_core.errors import BadLogError

ACTIVITY, DAILY = "Apple Music play activity", "Apple Music daily tracks"

OLD = (
    *(
        "Apple Id Number",
        "Artist Name",
        "Content Name",
        "End Reason Type",
        "Event End Timestamp",
        "Event Start Timestamp",
    ),
    *("Event Type", "Media Type", "Play Duration Milliseconds", "UTC Offset In Seconds"),
)
HOURS = (
    "Country",
    "Track Identifier",
    "Media type",
    "Date Played",
    "Hours",
    "Play Duration Milliseconds",
    "Track Description",
)


def table(header: Sequence[str], *rows: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def event(
    kind: str = "PLAY_END", milliseconds: str = "180000", start: str = "2021-06-15T19:57:00.5Z", media: str = "AUDIO"
):
    return ("1", "ABBA", "Waterloo, live", "NATURAL", "2021-06-15T20:00:00Z", start, kind, media, milliseconds, "0")


def test_the_ends_of_plays_are_listens(read_stream, fields):
    rows = read_stream(
        ACTIVITY,
        table(
            OLD,
            event(),
            event(""),
            event(start=""),
            event("PLAY_START"),
            event(media="VIDEO"),
            event(milliseconds="29999"),
        ),
    )
    listen = (None, "2021-06-15T19:57:00.5Z", None, "ABBA", None, "Waterloo, live", None)
    assert fields(rows)[:3] == [listen, listen, (None, "2021-06-15T20:00:00Z", *listen[2:])]
    assert rows["problem"].to_list()[3:] == ["not a listen", "not music", "played too short"]


def test_an_export_that_names_no_artists_says_what_to_give_instead(read_stream):
    header = ("Album Name", "Song Name", "Event Start Timestamp", "Play Duration Milliseconds")
    with pytest.raises(BadLogError, match=r"names no artists.*give 'Apple Music - Play History Daily Tracks\.csv'"):
        read_stream(ACTIVITY, table(header, ("Waterloo", "Waterloo", "2021-06-15T19:57:00Z", "180000")))


def test_the_daily_tracks_are_listens_to_the_hour(read_stream, fields):
    rows = read_stream(
        DAILY,
        table(
            HOURS,
            ("US", "1", "AUDIO", "20150630", "18, 19", "1664000", "Brian Eno - 1/2 - live"),
            ("US", "1", "N/A", "20150701", "9", "235000", "Untitled"),
            ("US", "1", "VIDEO", "20150701", "9", "235000", "A - B"),
            ("US", "1", "AUDIO", "20150701", "", "1000", "A - B"),
            ("US", "1", "AUDIO", "July", "", "99000", "A - B"),
        ),
    )
    assert fields(rows) == [
        (None, "2015-06-30T18:00:00Z", None, "Brian Eno", None, "1/2 - live", None),
        (None, "2015-07-01T09:00:00Z", None, None, None, "Untitled", None),
        (None, "2015-07-01T09:00:00Z", None, "A", None, "B", "not music"),
        (None, "2015-07-01T00:00:00Z", None, "A", None, "B", "played too short"),
        (None, "JulyT00:00:00Z", None, "A", None, "B", None),
    ]
