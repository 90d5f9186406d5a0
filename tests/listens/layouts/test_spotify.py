"""Spotify's two exports, made by hand: what becomes a listen, when it began, and what is left out."""

import json

import pytest

from loopback_core.errors import BadLogError

EXTENDED, ACCOUNT = "Spotify extended streaming history", "Spotify account data"


def stream(**changes: object) -> dict[str, object]:
    return {
        "ts": "2021-03-01T12:03:30Z",
        "platform": "ios",
        "ms_played": 210_500,
        "conn_country": "SE",
        "ip_addr": "192.0.2.1",
        "master_metadata_track_name": "Jóga",
        "master_metadata_album_artist_name": "Björk",
        "master_metadata_album_album_name": "Homogenic",
        "spotify_track_uri": "spotify:track:1",
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "audiobook_title": None,
        "reason_end": "trackdone",
    } | changes


def test_a_stream_is_a_listen_at_the_time_it_began(read_stream, fields):
    rows = read_stream(EXTENDED, json.dumps([stream()]).encode())
    assert fields(rows) == [(None, "2021-03-01T12:00:00Z", None, "Björk", None, "Jóga", None)]


def test_older_exports_say_who_listened_in_every_record(read_stream, fields):
    rows = read_stream(EXTENDED, json.dumps([stream(username="anna"), stream(username="anna", ms_played=10)]).encode())
    assert rows["user_id"].to_list() == ["anna", "anna"]


def test_short_plays_podcasts_audiobooks_and_videos_are_counted_as_no_listens(read_stream, fields):
    nothing = {
        "master_metadata_track_name": None,
        "master_metadata_album_artist_name": None,
        "spotify_track_uri": None,
    }
    records = [
        stream(ms_played=29_999),
        stream(ms_played=30_000),
        stream(**nothing, episode_name="Talk", episode_show_name="Show", spotify_episode_uri="spotify:episode:1"),
        stream(**nothing, audiobook_title="Novel"),
        stream(**nothing),
        stream(master_metadata_track_name=None, master_metadata_album_artist_name=None),
    ]
    rows = read_stream(EXTENDED, json.dumps(records, indent=1).encode())
    assert rows["problem"].to_list() == ["played too short", None, "not music", "not music", "not music", None]
    assert rows["line"].to_list() == [1, 2, 3, 4, 5, 6]
    assert rows["track_name"].to_list() == [None, "Jóga", None, None, None, None]  # the last one lacks its names


def test_the_least_duration_is_a_setting(read_stream):
    records = json.dumps([stream(ms_played=0), stream(ms_played=1000)]).encode()
    assert read_stream(EXTENDED, records, least_seconds_played=0)["problem"].to_list() == [None, None]
    assert read_stream(EXTENDED, records, least_seconds_played=0.5)["problem"].to_list() == ["played too short", None]


def test_an_unknown_duration_rejects_nothing_and_moves_no_time(read_stream):
    records = [stream(ms_played=None), stream(ms_played="x"), stream(ms_played=-5), stream(ts="soon"), stream(ts=None)]
    rows = read_stream(EXTENDED, json.dumps(records).encode(), least_seconds_played=0)
    assert rows["problem"].to_list() == [None, None, "played too short", None, None]
    assert rows["timestamp"].to_list() == ["2021-03-01T12:03:30Z", "2021-03-01T12:03:30Z", None, "soon", None]


@pytest.mark.parametrize("block_bytes", [1, 600, 1 << 20])
def test_the_size_of_the_frames_changes_nothing(read_stream, fields, block_bytes):
    records = [stream(master_metadata_track_name=f"Song {number}") for number in range(5)]
    rows = read_stream(EXTENDED, json.dumps(records).encode(), block_bytes=block_bytes)
    assert rows["track_name"].to_list() == [f"Song {number}" for number in range(5)]
    assert rows["line"].to_list() == [1, 2, 3, 4, 5]
    assert [json.loads(text) for text in rows["text"]] == records


def test_a_record_that_is_no_object_or_no_utf8_is_rejected_alone(read_stream, fields):
    good = json.dumps(stream()).encode()
    content = b"[%s,7,null,%s,%s]" % (good, json.dumps(stream(), ensure_ascii=False).encode("latin-1"), good)
    rows = read_stream(EXTENDED, content)
    assert rows["problem"].to_list() == [None, "unreadable record", "unreadable record", "undecodable bytes", None]
    assert rows["text"].to_list()[1:3] == ["7", "null"]
    assert '"Bj\ufffdrk"' in rows["text"][3]


def test_files_that_were_joined_are_read_on(read_stream):
    content = json.dumps([stream()]).encode() + b"\n" + json.dumps([stream(), stream()]).encode() + b"\n"
    assert read_stream(EXTENDED, content).height == 3


@pytest.mark.parametrize("cut", ["", ",", ', {"ts": "2021', ', {"ts": "2021"} x', ", " + "[" * 100_000])
def test_a_document_that_is_cut_off_or_broken_ends_in_a_sentence(read_stream, cut):
    with pytest.raises(BadLogError, match=r"export is no complete JSON: it cannot be read on after [12] records\. Exp"):
        read_stream(EXTENDED, (json.dumps([stream()])[:-1] + cut).encode())


def test_half_a_character_in_a_name_is_replaced(read_stream):
    rows = read_stream(EXTENDED, json.dumps([stream(master_metadata_track_name="a\ud83d")]).encode())
    assert rows["track_name"].to_list() == ["a?"]


def test_account_data_is_read_to_the_minute(read_stream, fields):
    records = [
        {"endTime": "2023-05-01 00:01", "artistName": "ABBA", "trackName": "Waterloo", "msPlayed": 165_000},
        {"endTime": "2023-05-01 00:02", "artistName": "ABBA", "trackName": "Waterloo", "msPlayed": 2_000},
        {"endTime": "2023-05-01 09:00", "podcastName": "Show", "episodeName": "Talk", "msPlayed": 900_000},
    ]
    rows = read_stream(ACCOUNT, json.dumps(records).encode())
    assert fields(rows) == [
        (None, "2023-04-30T23:58:15Z", None, "ABBA", None, "Waterloo", None),
        (None, None, None, None, None, None, "played too short"),
        (None, None, None, None, None, None, "not music"),
    ]
