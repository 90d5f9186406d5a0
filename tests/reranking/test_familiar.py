import numpy as np

from loopback_core.data import Histories, Ragged
from loopback_core.reranking.familiar import Familiar


def familiar(*rows):
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    values = np.array([track for row in rows for track in row], np.int64)
    tracks = Ragged(offsets, values)
    histories = Histories(np.arange(len(rows)), tracks, np.zeros(len(values), np.int64), np.zeros(len(rows), np.int64))
    return Familiar(histories, np.array([0, 0, 1, 1, 2], np.int32))


def test_a_history_knows_the_same_tracks_however_often_it_is_asked():
    known = familiar([3, 1, 3], [])
    for _ in range(3):
        assert known.knows(0, np.array([1, 2, 3, 0])).tolist() == [True, False, True, False]
        assert known.knows(1, np.array([1])).tolist() == [False]
        assert known.knows(0, np.zeros(0, np.int64)).tolist() == []


def test_a_taste_is_the_share_of_listens_of_each_artist():
    artists, shares = familiar([3, 1, 3, 2, 9], []).taste(0)  # track 9 has no artist here
    assert artists.tolist() == [0, 1] and shares.tolist() == [0.25, 0.75]
    assert len(familiar([3], []).taste(1)[0]) == 0
