"""Recall of generators against sets that are counted here by hand."""

import numpy as np
import pytest
import torch
from planted_log import planted_splits

from loopback_core.evaluation.candidate_recall import measure_candidates
from loopback_core.ranking.linear_ranker import PRODUCT, LinearRanker
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import scorer_of
from loopback_core.settings import TowersSettings
from loopback_core.tasks.task_builders import next_listen
from loopback_core.towers.two_tower import TwoTower, Vocabulary


@pytest.fixture
def measured(tmp_path):
    task = next_listen(planted_splits(tmp_path).testing_period)
    catalog = task.fit.catalog
    torch.manual_seed(0)
    vocabulary = Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists)
    model = TwoTower(vocabulary, TowersSettings(output_dim=8)).eval()
    ranker = LinearRanker.of({PRODUCT: 1.0, "listeners": 0.3})
    scorer = scorer_of(task, model, ranker, relations=Relations.learn(task.fit, 100, 20))
    return task, measure_candidates(scorer, task, 0)


def test_the_history_finds_the_positives_that_were_heard_before(measured):
    task, found = measured
    heard = [np.isin(task.positives[row], task.histories.tracks[row]).mean() for row in range(len(task.users))]
    of_history = found["generators"]["tracks of the history"]
    assert found["users"] == len(task.users)
    assert of_history["recall"]["1000"] == pytest.approx(np.mean(heard)) and of_history["adds"] == 0
    assert of_history["tracks"] == pytest.approx(np.mean([len(np.unique(task.histories.tracks[r])) for r in range(60)]))


def test_where_a_generator_gives_the_whole_catalog_all_are_found_and_none_adds_anything(measured):
    task, found = measured
    assert task.n_candidates < 1000  # so the towers and popularity give all of it
    for name in ("towers", "popular lately"):
        assert found["generators"][name] == {
            "tracks": task.n_candidates, "recall": {"500": 1.0, "1000": 1.0}, "adds": 0.0
        }  # fmt: skip
    assert found["union"] == {"tracks": task.n_candidates, "recall": {"500": 1.0, "1000": 1.0}, "adds": 1.0}
