import numpy as np
import pytest

from loopback_core.data import Events, FitData, Ranking
from loopback_core.evaluation.evaluator import evaluate_task
from loopback_core.evaluation.leave_last import leave_last_json
from loopback_core.settings import EvaluationSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.period import Period
from loopback_core.tasks.task_builders import discovery, next_listen

TRACKS = 12


@pytest.fixture
def period():
    """Ten users know track 0. The held-out track of users 0 and 1 is 0, that of user 9 is new to all, the others' is 5."""
    user = np.concatenate([np.arange(10), [0] * (TRACKS - 1)]).astype(np.int32)
    track = np.concatenate([np.zeros(10), np.arange(1, TRACKS)]).astype(np.int32)
    track[10 + 4] = 1  # user 0 does not know track 5
    track[3] = 5  # nor does anyone but user 3
    events = Events(user, track, np.arange(len(user)))
    held_out = Events(
        np.arange(10, dtype=np.int32), np.array([0, 0, 5, 0, 5, 5, 5, 5, 5, TRACKS], np.int32), 100 + np.arange(10)
    )
    artist = np.zeros(TRACKS + 1, np.int32)
    return Period(FitData(events, count_catalog(events, artist), len(user)), held_out, np.arange(10), artist)


def result(task, tracks):
    lists = np.full((len(task.users), 100), -1)
    lists[:, : len(tracks)] = tracks
    return evaluate_task(task, [("two_tower", Ranking(lists, np.zeros(lists.shape, np.float32)))], SETTINGS, 100)


SETTINGS = EvaluationSettings(min_users=5, resamples=100)


def test_every_user_counts_and_what_cannot_be_in_a_list_is_a_miss(period):
    results = {
        "next_listen": result(next_listen(period), [5, 0]),
        "discovery": result(discovery(period), [5]),
    }
    found = leave_last_json(results, np.arange(10), SETTINGS)
    assert found["users"] == 10
    assert found["known"] == pytest.approx(2 / 10)  # users 0 and 1
    assert found["outside_catalog"] == pytest.approx(1 / 10)
    everything, unknown = (found["recommenders"][what]["two_tower"] for what in ("everything", "unknown"))
    assert everything["hit_rate@10"]["value"] == pytest.approx(9 / 10)
    assert everything["ndcg@10"]["value"] == pytest.approx((6 + 3 / np.log2(3)) / 10)
    assert unknown["hit_rate@10"]["value"] == pytest.approx(
        6 / 10
    )  # user 3 plays track 0 as a new one, which is not listed
    assert unknown["hit_rate@10"]["low"] <= 0.6 <= unknown["hit_rate@10"]["high"]
    assert set(everything) == {f"{metric}@{k}" for metric in ("hit_rate", "ndcg") for k in (10, 50, 100)}
