from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from loopback_core.data import Histories, Ragged
from loopback_core.evaluation.evaluator import evaluate_task
from loopback_core.evaluation.segments import SEGMENT_METRICS, segments_json, track_segments, user_segments
from loopback_core.recommenders.baselines.popularity import PopularityPlays
from loopback_core.recommenders.lists import rank_users
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.task_builders import discovery

NO_PROFILES = pl.DataFrame({"user_id": ["a", "b", "c"]})


def segments_of_plays(plays):
    found = track_segments(SimpleNamespace(plays=np.array(plays)))
    return {name: np.flatnonzero(mask).tolist() for name, mask in found.items()}


def test_head_mid_and_tail_cut_the_plays_at_a_half_and_four_fifths():
    assert segments_of_plays([1, 5, 3, 1]) == {"head": [1], "mid": [2], "tail": [0, 3]}


def test_a_track_belongs_to_the_part_in_which_its_plays_begin():
    assert segments_of_plays([9, 1]) == {"head": [0], "mid": [], "tail": [1]}


def test_users_are_cut_by_events_and_by_repeats():
    rows = [[0], [0, 0], [0, 1, 2]]
    tracks = Ragged.from_pairs(np.array([0, 1, 1, 2, 2, 2]), np.concatenate(rows), 3)
    found = user_segments(Histories(np.arange(3), tracks, np.zeros(6, np.int64), np.zeros(3, np.int64)))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in found.items()} == {
        "light": [0],
        "medium": [1],
        "heavy": [2],
        "repeaters": [1],
        "explorers": [0, 2],
    }


def test_positives_outside_the_segment_do_not_count(hand_splits):
    task = discovery(hand_splits.testing_period)  # plays 4 1 1 3 2; users 0 and 2, positives {1, 4} and {0}
    settings = EvaluationSettings(min_users=1, resamples=100)
    popular = rank_users(PopularityPlays().fit(task.fit), task, 100)
    found = segments_json(
        evaluate_task(task, [("popularity_plays", popular), ("personal_most_played", None)], settings),
        NO_PROFILES,
        settings,
    )
    assert set(found["head"]["popularity_plays"]) == set(SEGMENT_METRICS)
    assert found["head"]["personal_most_played"] is None
    # Only user 2 has a positive in the head (track 0), the first of that user's four candidates.
    assert found["head"]["popularity_plays"]["ndcg@10"]["value"] == pytest.approx(1)
    assert found["head"]["random"]["recall@100"]["value"] == pytest.approx(1)
