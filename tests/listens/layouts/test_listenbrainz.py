"""ListenBrainz: one JSON object a line, or one array."""

import json

LINES, ARRAY = "ListenBrainz export", "ListenBrainz export (one array)"

MATCHED = {
    "inserted_at": 1_700_000_000,
    "listened_at": 1_609_462_137.0,
    "recording_msid": "m",
    "track_metadata": {
        "artist_name": "Björk",
        "track_name": "Jóga",
        "release_name": "Homogenic",
        "additional_info": {"recording_mbid": "sent", "artist_mbids": ["sent"]},
        "mbid_mapping": {"recording_mbid": "matched", "artist_mbids": ["artist"]},
    },
}
UNMATCHED = {
    "user_name": "anna",
    "listened_at": 1_609_462_916,
    "track_metadata": {
        "artist_name": "ABBA feat. Cher",
        "track_name": "Waterloo",
        "additional_info": {"recording_mbid": "sent", "artist_mbids": ["a", "b"]},
        "mbid_mapping": None,
    },
}
PLAYING = {"listened_at": None, "track_metadata": {"artist_name": "A", "track_name": "T"}}

ROWS = [
    (None, "1609462137", "artist", "Björk", "matched", "Jóga", None),
    ("anna", "1609462916", None, "ABBA feat. Cher", "sent", "Waterloo", None),
    (None, None, None, None, None, None, "not a listen"),
]


def test_every_line_is_a_listen(read_stream, fields):
    content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in (MATCHED, UNMATCHED, PLAYING))
    rows = read_stream(LINES, content.encode())
    assert fields(rows) == ROWS
    assert rows["text"].to_list() == content.splitlines()


def test_a_line_that_is_no_json_is_rejected_alone(read_stream):
    good = json.dumps(UNMATCHED).encode()
    content = b"\n".join([good, b'{"listened_at": 1609', b"[1]", b"", b"{\xff}", b"[" * 10_000, good])
    rows = read_stream(LINES, content)
    unreadable = "unreadable record"
    assert rows["problem"].to_list() == [
        None,
        unreadable,
        unreadable,
        unreadable,
        "undecodable bytes",
        unreadable,
        None,
    ]
    assert rows["line"].to_list() == [1, 2, 3, 4, 5, 6, 7]


def test_values_of_other_types_are_no_names(read_stream, fields):
    odd = [
        {"listened_at": "soon", "track_metadata": {"artist_name": 1975, "track_name": ["x"]}},
        {"listened_at": True, "track_metadata": [1]},
        {"listened_at": 1e300, "track_metadata": {"artist_name": {}, "track_name": 7.5, "mbid_mapping": []}},
        {"listened_at": 10**30, "track_metadata": None},
    ]
    rows = read_stream(LINES, "\n".join(map(json.dumps, odd)).encode())
    assert fields(rows) == [
        (None, "soon", None, "1975", None, None, None),
        (None, None, None, None, None, None, None),
        (None, "1e+300", None, None, None, "7.5", None),
        (None, "inf", None, None, None, None, None),
    ]


def test_older_exports_are_one_array_and_answers_of_the_api_hold_one(read_stream, fields):
    records = json.dumps([MATCHED, UNMATCHED, PLAYING])
    answer = f'{{"payload": {{"count": 3, "user_id": "anna", "listens": {records}, "latest_listen_ts": 1}}}}'
    assert fields(read_stream(ARRAY, records.encode())) == ROWS
    assert fields(read_stream(ARRAY, answer.encode())) == ROWS
    assert fields(read_stream(ARRAY, f"{answer}\n{answer}".encode())) == ROWS * 2
