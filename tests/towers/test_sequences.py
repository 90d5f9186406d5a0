import numpy as np

from loopback_core.data import Histories, Ragged
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.sequences import NO_LISTEN, SequenceReader

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
    assert found.tracks.tolist() == [[0, 1, 2, NO_LISTEN], [2, 3, 4, 5]]
    assert found.tracks.flatten()[found.last].tolist() == [0, 1, 2, 5]
    assert found.artists[1].tolist() == [7, 8, 9, 5]


def test_every_request_has_a_whole_window_before_it_or_all_that_was_heard():
    history, window = list(range(7)) * 3, 4
    moments = [(0, heard) for heard in range(1, len(history) + 1)]
    found = read([history], moments, window)
    length = found.tracks.shape[1]
    for (_, heard), last in zip(moments, found.last.tolist(), strict=True):
        stretch, place = divmod(last, length)
        before = found.tracks[stretch, max(0, place - window + 1) : place + 1].tolist()
        assert before == history[max(0, heard - window) : heard]


def test_a_stretch_never_reaches_into_the_history_of_another_user_or_beyond_the_request():
    found = read([[0, 1, 6], [2], [3, 4]], [(0, 2), (1, 1), (2, 1)], window=2)
    assert found.tracks.tolist() == [[0, 1], [2, NO_LISTEN], [3, NO_LISTEN]]


def test_who_heard_nothing_stands_where_there_is_no_listen():
    for found in (read([[], [1]], [(0, 0), (1, 0)], window=3), read([[]], [(0, 0)], window=3)):
        assert (found.tracks.flatten()[found.last] == NO_LISTEN).all()


def test_times_are_those_since_the_first_listen_of_the_stretch_and_until_the_request():
    found = read([[0, 1, 2, 3, 4]], [(0, 3), (0, 5)], window=2)
    assert found.seconds.tolist() == [[0, 3600, 7200], [0, 3600, 7200]]
    assert found.waited.tolist() == [10**6 - 2 * 3600, 10**6 - 4 * 3600]
