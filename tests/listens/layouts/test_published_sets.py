"""Data sets that research published: ids serve as names."""

import pytest

from loopback_core.errors import BadLogError

LFM1B = b"31435685\t2\t4\t4\t1385212958\n31435685\t2\t4\t4\t1385212642\n31435685\t2\t4\n"
LFM2B = b"user_id\ttrack_id\talbum_id\ttimestamp\n1\t10\t7\t2012-01-01 10:00:00\n2\t11\t8\t2012-01-01 10:05:00\n"
WITH_ARTIST = b"user_id\ttrack_id\ttimestamp\tage_at_listen\tartist_id\n1\t10\t2012-01-01 10:00:00\t20\t5\n"
DAT = b"1::1193::5::978300760\n1::661::3::978302109\n1::661::3\n"
CSV = b"userId,movieId,rating,timestamp\r\n1,296,5.0,1147880044\r\n1,306,3.5,1147868817\r\n"


def test_lfm_1b_is_user_artist_album_track_and_seconds(read_stream, fields):
    rows = read_stream("LFM-1b listening events", LFM1B)
    assert fields(rows)[:2] == [
        ("31435685", "1385212958", None, "2", None, "4", None),
        ("31435685", "1385212642", None, "2", None, "4", None),
    ]
    assert rows["problem"].to_list() == [None, None, "wrong number of fields"]


def test_in_lfm_2b_a_track_stands_for_its_artist_unless_there_is_one(read_stream, fields):
    rows = read_stream("LFM-2b listening events", LFM2B)
    assert fields(rows) == [
        ("1", "2012-01-01 10:00:00", None, "10", None, "10", None),
        ("2", "2012-01-01 10:05:00", None, "11", None, "11", None),
    ]
    assert rows["line"].to_list() == [2, 3]
    assert fields(read_stream("LFM-2b listening events", WITH_ARTIST)) == [
        ("1", "2012-01-01 10:00:00", None, "5", None, "10", None)
    ]


def test_a_rating_of_movielens_is_a_listen_to_the_item(read_stream, fields):
    rows = read_stream("MovieLens ratings.dat", DAT)
    assert fields(rows)[0] == ("1", "978300760", None, "1193", None, "1193", None)
    assert rows["problem"].to_list() == [None, None, "wrong number of fields"]
    rows = read_stream("MovieLens ratings.csv", CSV)
    assert fields(rows) == [
        ("1", "1147880044", None, "296", None, "296", None),
        ("1", "1147868817", None, "306", None, "306", None),
    ]
    assert rows["line"].to_list() == [2, 3]


@pytest.mark.parametrize("block_bytes", [1, 25, 1 << 20])
@pytest.mark.parametrize(("layout", "content"), [("MovieLens ratings.csv", CSV), ("LFM-2b listening events", LFM2B)])
def test_the_header_is_no_row_whatever_the_size_of_the_frames(read_stream, layout, content, block_bytes):
    assert read_stream(layout, content, block_bytes=block_bytes)["line"].to_list() == [2, 3]


def test_last_fm_360k_has_no_times_and_is_refused_with_a_sentence(read_stream):
    content = b"00000c289a1829a808ac09c00daf10bc3c4e223b\t3bd73256\tbetty blowtorch\t2137\n"
    with pytest.raises(BadLogError, match=r"holds the plays of Last\.fm-360K: .* no tracks and no times"):
        read_stream("Last.fm-360K plays", content)
