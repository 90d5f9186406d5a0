"""Last.fm exports in CSV: one test for each form that common tools write."""

import pytest

UTS, DATES, BARE = "Last.fm CSV with uts", "Last.fm CSV with dates", "Last.fm CSV without a header"
STATS = "lastfmstats.com CSV"

GHAN = (
    "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
    '"1616432100","22 Mar 2021, 16:55","blur","a-1","The Magic Whip","","New World Towers","t-1"\n'
    '"1616431860","22 Mar 2021, 16:51","Tyler, the Creator","","","","7"" Mix",""\n'
)


def test_seconds_in_uts_are_the_time(read_stream, fields):
    assert fields(read_stream(UTS, GHAN.encode(), name="scrobbles.csv")) == [
        (None, "1616432100", "a-1", "blur", "t-1", "New World Towers", None),
        (None, "1616431860", "", "Tyler, the Creator", "", '7" Mix', None),
    ]


@pytest.mark.parametrize("header", ["artist,album,track,date", "Artist,Album,Track,utc_time"])
def test_dates_with_a_header_are_read_as_utc(read_stream, fields, header):
    content = (
        f'{header}\nblur,The Magic Whip,New World Towers,22 Mar 2021 16:55\nblur,,7,"2 Mar 2021, 16:51"\nblur,,7,soon\n'
    )
    assert fields(read_stream(DATES, content.encode())) == [
        (None, "2021-03-22T16:55:00Z", None, "blur", None, "New World Towers", None),
        (None, "2021-03-02T16:51:00Z", None, "blur", None, "7", None),
        (None, "soon", None, "blur", None, "7", None),
    ]


def test_dates_without_a_header_are_artist_album_track_date(read_stream, fields):
    content = (
        'blur,The Magic Whip,New World Towers,22 Mar 2021 16:55\n"Tyler, the Creator",,"Yonkers",22 Mar 2021 16:51\nx\n'
    )
    rows = read_stream(BARE, content.encode())
    assert fields(rows) == [
        (None, "2021-03-22T16:55:00Z", None, "blur", None, "New World Towers", None),
        (None, "2021-03-22T16:51:00Z", None, "Tyler, the Creator", None, "Yonkers", None),
        (None, None, None, None, None, None, "wrong number of fields"),
    ]
    assert rows["line"].to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    "header", ["Artist;Album;Track;Date#anna", "Artist;Album;AlbumId;Track;Date#anna", "Artist;Track;Date#anna"]
)
def test_lastfmstats_names_its_user_in_the_header(read_stream, fields, header):
    values = {
        "Artist": "Tyler; the Creator",
        "Album": "",
        "AlbumId": "",
        "Track": '7" Mix',
        "Date#anna": "1616432100000",
    }
    row = ";".join('"{}"'.format(values[name].replace('"', '""')) for name in header.split(";"))
    assert fields(read_stream(STATS, f"{header}\n{row}".encode())) == [
        ("anna", "1616432100000", None, "Tyler; the Creator", None, '7" Mix', None)
    ]
