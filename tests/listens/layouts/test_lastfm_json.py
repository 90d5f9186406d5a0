"""Last.fm exports in JSON: pages of the API as tools keep them, and lastfmstats.com."""

import json

import pytest

PAGES, TRACKS, STATS = "Last.fm API pages", "Last.fm API tracks", "lastfmstats.com JSON"

PLAYED = {
    "artist": {"mbid": "a-1", "#text": "Björk"},
    "streamable": "0",
    "image": [{"size": "small", "#text": "https://images.example/1.png"}],
    "mbid": "t-1",
    "album": {"mbid": "", "#text": "Homogenic"},
    "name": "Jóga",
    "url": "https://www.last.fm/music/Bj%C3%B6rk/_/J%C3%B3ga",
    "date": {"uts": "1464727569", "#text": "31 May 2016, 20:46"},
}
EXTENDED = PLAYED | {"artist": {"url": "x", "mbid": "", "name": "ABBA"}, "name": "Waterloo", "mbid": ""}
PLAYING = {key: value for key, value in PLAYED.items() if key != "date"} | {"@attr": {"nowplaying": "true"}}

ROWS = [
    (None, "1464727569", "a-1", "Björk", "t-1", "Jóga", None),
    (None, "1464727569", "", "ABBA", "", "Waterloo", None),
    (None, None, None, None, None, None, "not a listen"),
]


def page(*tracks: object) -> dict[str, object]:
    return {"track": tracks, "@attr": {"user": "anna", "totalPages": "2", "page": "1", "perPage": "200"}}


@pytest.mark.parametrize(
    "document",
    [
        {"recenttracks": page(PLAYED, EXTENDED, PLAYING)},
        [{"recenttracks": page(PLAYED)}, {"recenttracks": page(EXTENDED, PLAYING)}],
        [page(PLAYED, EXTENDED), page(), page(PLAYING)],
        {"recenttracks": dict(reversed(page(PLAYED, EXTENDED, PLAYING).items()))},
    ],
)
def test_the_tracks_of_all_pages_are_read(read_stream, fields, document):
    assert fields(read_stream(PAGES, json.dumps(document).encode())) == ROWS


def test_answers_one_a_line_are_read_on(read_stream, fields):
    lines = "\n".join(json.dumps({"recenttracks": page(track)}) for track in (PLAYED, EXTENDED, PLAYING))
    assert fields(read_stream(PAGES, lines.encode())) == ROWS


def test_tracks_in_one_array_are_read(read_stream, fields):
    assert fields(read_stream(TRACKS, json.dumps([PLAYED, EXTENDED, PLAYING]).encode())) == ROWS


def test_lastfmstats_names_its_user_and_counts_milliseconds(read_stream, fields):
    scrobbles = [{"track": "Jóga", "artist": "Björk", "album": "Homogenic", "date": 1_464_727_569_000}, 7]
    document = json.dumps({"username": 'an"na', "scrobbles": scrobbles}).encode()
    assert fields(read_stream(STATS, document + b"\n" + document.replace(b"an", b"AN"))) == [
        ('an"na', "1464727569000", None, "Björk", None, "Jóga", None),
        ('an"na', None, None, None, None, None, "unreadable record"),
        ('AN"na', "1464727569000", None, "Björk", None, "Jóga", None),
        ('AN"na', None, None, None, None, None, "unreadable record"),
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_page_with_one_track_has_it_without_an_array(read_stream, fields, indent):
    alone = {"track": EXTENDED, "@attr": {"user": "anna", "page": "2"}}
    documents = [
        [{"recenttracks": page(PLAYED)}, {"recenttracks": alone}, {"recenttracks": page(PLAYING)}],
        [{"recenttracks": page(PLAYED)}, {"recenttracks": alone}],
        [alone, alone],
        {"recenttracks": alone},
    ]
    rows = [ROWS, ROWS[:2], [ROWS[1]] * 2, [ROWS[1]]]
    for document, expected in zip(documents, rows, strict=True):
        assert fields(read_stream(PAGES, json.dumps(document, indent=indent).encode())) == expected


def test_a_track_with_a_date_of_another_form_is_a_listen_without_a_time(read_stream, fields):
    tracks = [PLAYED, PLAYED | {"date": "31 May 2016, 20:46"}, PLAYED | {"date": {"#text": "31 May 2016"}}]
    rows = fields(read_stream(TRACKS, json.dumps(tracks).encode()))
    assert [(row[1], row[-1]) for row in rows] == [("1464727569", None), (None, None), (None, None)]
