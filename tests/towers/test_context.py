import numpy as np
import torch

from loopback_core.data import Histories, Ragged
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.optional.context import CodeEmbedding, request_context

MINUTE = 60
MONDAY_7_UTC = 4 * 86_400 + 7 * 3600  # 1970-01-05


def context(stamps, heard, now):
    stamps = MONDAY_7_UTC + np.array(stamps, np.int64) * MINUTE
    tracks = Ragged(np.array([0, len(stamps)]), np.zeros(len(stamps), np.int64))
    histories = Histories(np.array([0]), tracks, stamps, np.array([0]))
    moments = Moments(np.zeros(len(heard), np.int64), np.array(heard), MONDAY_7_UTC + np.array(now) * MINUTE)
    return request_context(histories, moments).tolist()


def test_hour_and_weekday_are_those_of_the_request_counted_from_one():
    assert context([], [0], [0]) == [[8, 1, 1]]  # hour 7 of a Monday, no listen so far
    assert context([], [0], [24 * 60 - 7 * 60]) == [[1, 2, 1]]  # midnight: Tuesday


def test_the_place_in_the_session_counts_listens_since_the_last_pause_of_half_an_hour():
    # listens at 0, 3 and 6 minutes, a pause, listens at 60 and 63
    codes = [row[2] for row in context([0, 3, 6, 60, 63], [1, 3, 3, 4, 5], [3, 9, 60, 62, 66])]
    assert codes == [2, 3, 1, 2, 2]  # log2(1 + 1), log2(1 + 3), a new session, log2(1 + 1), log2(1 + 2)


def test_codes_start_at_zero_and_unknown_ones_stay_zero():
    made = CodeEmbedding((3, 4), 2, dropout=0.0)
    assert made(torch.tensor([[1, 2]])).tolist() == [[0.0, 0.0]]
    with torch.no_grad():
        made.vectors.weight.copy_(torch.arange(14.0).view(7, 2))
    assert made(torch.tensor([[1, 2], [0, 2], [0, 0]])).tolist() == [[2 + 10, 3 + 11], [10, 11], [0, 0]]
