import numpy as np

from loopback_core.data import Histories, Ragged
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.optional.sequences import GAPS, NO_LISTEN, SequenceReader

ARTIST = np.array([5, 6, 7, 8, 9, 5, 6], np.int32)


def read(rows, moments, window):
    """moments: (row, listens heard). Tracks of each row are listened to an hour apart."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    tracks = np.array([track for row in rows for track in row], np.int64)
    stamps = np.concatenate([np.arange(len(row)) * 3600 for row in rows]).astype(np.int64)
    histories = Histories(np.arange(len(rows)), Ragged(offsets, tracks), stamps, np.full(len(rows), 10**6))
    row = np.array([row for row, _ in moments])
    place = offsets[row] + np.array([heard for _, heard in moments])
    return SequenceReader(histories, ARTIST, window).read(Moments(row, place, np.full(len(row), 10**6)))


def test_requests_of_one_stretch_share_it_and_stand_at_the_last_listen_they_heard():
    found = read([[0, 1, 2, 3, 4, 5]], [(0, 1), (0, 2), (0, 3), (0, 6)], window=2)
    assert found.tracks.tolist() == [
        [NO_LISTEN, NO_LISTEN, 0, 1],
        [0, 1, 2, 3],
        [2, 3, 4, 5],
    ]
    assert found.last.tolist() == [2, 3, 6, 11]
    assert found.tracks.flatten()[found.last].tolist() == [0, 1, 2, 5]
    assert found.artists[1].tolist() == [5, 6, 7, 8]


def test_a_stretch_never_reaches_into_the_history_of_another_user():
    found = read([[0, 1], [2], [3, 4]], [(0, 2), (1, 1), (2, 1)], window=2)
    assert found.tracks.tolist() == [
        [NO_LISTEN, NO_LISTEN, 0, 1],
        [NO_LISTEN, NO_LISTEN, 2, NO_LISTEN],
        [NO_LISTEN, NO_LISTEN, 3, 4],
    ]


def test_who_heard_nothing_stands_where_there_is_no_listen():
    for found in (read([[], [1]], [(0, 0), (1, 0)], window=3), read([[]], [(0, 0)], window=3)):
        assert (found.tracks.flatten()[found.last] == NO_LISTEN).all()


def test_gaps_are_in_powers_of_two_and_a_first_listen_has_the_longest():
    found = read([[0, 1, 2]], [(0, 3)], window=3)
    assert found.gap[0, 3:].tolist() == [GAPS - 1, 11, 11]  # 3,600 s lie between 2 ** 11 and 2 ** 12
    assert found.hour[0, 3:].tolist() == [0, 1, 2]
