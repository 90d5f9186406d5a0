"""Each generator finds what it stands for, best first, and nothing that is excluded."""

import numpy as np
import pytest
from planted_log import planted_splits
from untrained_scorer import untrained_scorer

from loopback_core.ranking.generators import GENERATORS, POPULAR_GENERATOR, TOWERS_GENERATOR, generated
from loopback_core.ranking.pair_features import personal_bags
from loopback_core.ranking.scorer import EncodedUsers
from loopback_core.ranking.terms import Listened
from loopback_core.retrieval.top_k import tie_order
from loopback_core.tasks.task_builders import TASKS


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


def found_by_all(splits, name, k):
    task = TASKS[name](splits.testing_period).sampled(20, 0)
    scorer = untrained_scorer(task)
    listened = Listened(task.histories, scorer.knowledge)
    encoded = scorer.encode(task.histories, listened)
    users = EncodedUsers(encoded.vectors, encoded.prior, personal_bags(listened))
    found = list(generated(scorer, users, k, task.exclude, tie_order(task.n_candidates, 0)))
    return task, scorer, users, found


def test_lists_hold_distinct_candidates_and_no_excluded_one(splits):
    task, _, _, found = found_by_all(splits, "discovery", 30)
    assert len(found) == len(task.users)
    for row, lists in enumerate(found):
        assert set(lists) == set(GENERATORS)
        for tracks in lists.values():
            assert len(tracks) == len(set(tracks)) <= 30
            assert not np.isin(tracks, task.exclude[row]).any()
        assert len(lists["tracks of the history"]) == 0
        assert len(lists[TOWERS_GENERATOR]) == len(lists[POPULAR_GENERATOR]) == 30


def test_each_generator_finds_what_its_name_says(splits):
    task, scorer, users, found = found_by_all(splits, "next_listen", 1000)
    artist = task.fit.catalog.artist
    for row, lists in enumerate(found):
        heard = np.unique(task.histories.tracks[row])
        assert set(lists["tracks of the history"]) == set(heard)
        assert set(artist[lists["tracks of artists of the history"]]) == set(artist[heard])
        assert len(lists["tracks of artists of the history"]) == np.isin(artist, artist[heard]).sum()
        products = scorer.vectors @ users.vectors[row]
        assert (np.diff(products[lists[TOWERS_GENERATOR]]) <= 0).all()
        assert len(lists[TOWERS_GENERATOR]) == len(lists[POPULAR_GENERATOR]) == task.n_candidates


def test_popular_tracks_are_the_same_for_everybody(splits):
    _, _, _, found = found_by_all(splits, "next_listen", 10)
    assert len({tuple(lists[POPULAR_GENERATOR]) for lists in found}) == 1
