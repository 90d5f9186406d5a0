"""Every stream is recognised by the layout that it has, and by none of the other exports."""

import json

import pytest

from loopback_core.listens.layouts import LAYOUTS
from loopback_core.listens.layouts.layout import Head

SPOTIFY = {"ts": "2021-03-01T12:03:30Z", "ms_played": 1, "master_metadata_track_name": "T", "spotify_track_uri": "x"}
LISTEN = {"listened_at": 1_609_462_137, "track_metadata": {"artist_name": "A", "track_name": "T"}}
WATCHED = {"header": "YouTube Music", "title": "Watched T", "time": "2022-04-25T18:09:04.784Z"}

TRACK = {"artist": {"mbid": "", "#text": "A"}, "name": "T", "mbid": "", "date": {"uts": "1", "#text": "x"}}
PAGE = {"track": [TRACK], "@attr": {"user": "anna", "page": "1"}}

SAMPLES = {
    "Spotify extended streaming history": [json.dumps([SPOTIFY]), json.dumps([SPOTIFY] * 1000, indent=2)],
    "Spotify account data": [
        json.dumps([{"endTime": "2023-05-01 00:01", "artistName": "A", "trackName": "T", "msPlayed": 1}]),
        json.dumps([{"endTime": "2023-05-01 00:01", "podcastName": "A", "episodeName": "T", "msPlayed": 1}]),
    ],
    "ListenBrainz export": [
        json.dumps(LISTEN) + "\n",
        (json.dumps(LISTEN) + "\r\n") * 2000,
        "x\n" + json.dumps(LISTEN),
    ],
    "ListenBrainz export (one array)": [
        json.dumps([LISTEN]),
        json.dumps({"payload": {"count": 1, "listens": [LISTEN]}}),
    ],
    "Last.fm API pages": [
        json.dumps({"recenttracks": PAGE}),
        json.dumps([{"recenttracks": PAGE}] * 9000),
        json.dumps([PAGE]),
    ],
    "Last.fm API tracks": [json.dumps([TRACK] * 9000)],
    "lastfmstats.com JSON": [
        json.dumps({"username": "anna", "scrobbles": [{"track": "T", "artist": "A", "album": "B", "date": 1}]})
    ],
    "lastfmstats.com CSV": ['Artist;Album;Track;Date#anna\n"A";"B";"T";"1616432100000"\n'],
    "Last.fm CSV with uts": [
        "uts,utc_time,artist,track\n1,x,A,T\n",
        '"uts","artist","album","track"\n"1","A","B","T"\n',
    ],
    "Last.fm CSV with dates": ["artist,album,track,date\nA,B,T,22 Mar 2021 16:55\n"],
    "Last.fm CSV without a header": ["A,B,T,22 Mar 2021 16:55\n", '"A, B",,T,"22 Mar 2021, 16:55"\n' * 3000],
    "Apple Music play activity": [
        "Song Name,Artist Name,Event Start Timestamp,Play Duration Milliseconds\nT,A,x,1\n",
        "Song Name,Event Start Timestamp,Play Duration Milliseconds\nT,x,1\n",
    ],
    "Apple Music daily tracks": [
        "Media type,Date Played,Hours,Play Duration Milliseconds,Track Description\nAUDIO,20150630,18,1,A - T\n"
    ],
    "YouTube Music watch history": [json.dumps([WATCHED])],
    "Audioscrobbler log of a portable player": ["#AUDIOSCROBBLER/1.1\n#TZ/UTC\nA\tB\tT\t1\t9\tL\t1143374412\t\n"],
    "Last.fm-360K plays": ["00000c289a1829a808ac09c00daf10bc3c4e223b\t3bd73256\tbetty blowtorch\t2137\n"],
    "LFM-1b listening events": ["31435685\t2\t4\t4\t1385212958\n" * 5],
    "LFM-2b listening events": ["user_id\ttrack_id\talbum_id\ttimestamp\n1\t10\t7\t2012-01-01 10:00:00\n"],
    "MovieLens ratings.dat": ["1::1193::5::978300760\n"],
    "MovieLens ratings.csv": ["userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n"],
    "text with a header": ["user_id,timestamp,artist_name,track_name\nanna,2021-01-01,A,T\n"],
    "Last.fm lines": ["u1\t2009-05-04T23:08:57Z\ta-1\tBjörk\tt-1\tJóga\n"],
}


@pytest.mark.parametrize(("name", "sample"), [(name, sample) for name, of in SAMPLES.items() for sample in of])
def test_a_stream_is_recognised_by_its_own_layout_alone(name, sample):
    head = Head("export", sample.encode())
    assert [layout.name for layout in LAYOUTS if layout.recognises(head)] == [name]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[", b"{", b"[]", b"[[[" * 9000, b'{"a":' * 9000, b"\xff\xfe" * 99, b"PK\x03\x04"]
)
def test_what_is_no_log_is_recognised_by_no_layout(content):
    assert [layout.name for layout in LAYOUTS if layout.recognises(Head("export.json", content))] == []


def test_every_layout_has_a_name_and_a_sample_of_its_own():
    names = [layout.name for layout in LAYOUTS]
    assert sorted(names) == sorted([*SAMPLES, "Deezer data"])  # a workbook: see its own tests


def test_a_table_with_names_beside_ids_is_not_taken_for_ids():
    head = Head("plays.tsv", b"user_id\ttrack_id\tartist\ttitle\ttimestamp\n1\t2\tA\tT\t2012-01-01\n")
    assert [layout.name for layout in LAYOUTS if layout.recognises(head)] == []
