import numpy as np

from loopback_core.data import Ranking
from loopback_core.retrieval.latency import QUERIES, measure_latency


class Recorder:
    kind = "recorder"

    def __init__(self):
        self.asked = []

    def search(self, queries, k, exclude):
        self.asked.append((len(queries), k, None if exclude is None else exclude[0].tolist()))
        return Ranking(np.zeros((1, k), np.int64), np.zeros((1, k), np.float32))


def queries(rows):
    return np.zeros((rows, 4), np.float32)


def test_users_are_queried_one_at_a_time_without_their_played_tracks(ragged):
    index = Recorder()
    latency = measure_latency(index, queries(2), ragged([[4, 1], []]), k=7)
    assert index.asked == [(1, 7, [4, 1]), (1, 7, [])]
    assert 0 < latency["p50_ms"] <= latency["p99_ms"]


def test_no_more_users_are_queried_than_the_limit():
    index = Recorder()
    measure_latency(index, queries(QUERIES + 50), None)
    assert len(index.asked) == QUERIES


def test_without_users_there_is_no_latency():
    assert measure_latency(Recorder(), queries(0), None) == {"p50_ms": None, "p99_ms": None}
