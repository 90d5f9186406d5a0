import numpy as np
import pytest
import torch

from loopback_core.data import Histories, Ragged
from loopback_core.recommender import NOTHING, Recommender
from loopback_core.retrieval.embed import user_vectors
from loopback_core.retrieval.index import FaissIndex
from loopback_core.retrieval.ranking import tie_order
from loopback_core.retrieval.recommenders import IndexRecommender, TowersRecommender
from loopback_core.settings import IndexSettings


@pytest.fixture
def users():
    nothing = Ragged(np.zeros(4, np.int64), np.zeros(0, np.int64))
    return Histories(np.array([0, 4, -1]), nothing, np.zeros(0, np.int64), now=np.zeros(3, np.int64))


def test_the_towers_rank_by_the_dot_product_without_what_is_excluded(towers, users, unit_vectors, ragged):
    vectors = unit_vectors(20, 6)
    recommender = TowersRecommender(towers, vectors, seed=0)
    exclude = ragged([[3, 7], [], range(18)])
    ranking = recommender.recommend(users, 5, exclude)
    scores = user_vectors(towers, users) @ vectors.T
    for row in range(3):
        left = [track for track in np.argsort(-scores[row]) if track not in exclude[row]][:5]
        assert ranking.tracks[row].tolist() == left + [NOTHING] * (5 - len(left))
        assert ranking.scores[row, : len(left)] == pytest.approx(scores[row, left])
    assert ranking.scores[2, 2:].tolist() == [-np.inf] * 3


def test_tracks_of_equal_score_follow_the_seeded_permutation(towers, users):
    with torch.no_grad():  # every user's vector is the first axis, so that scores are exact
        towers.users.body.layers[-1].weight.zero_()
        towers.users.body.layers[-1].bias.copy_(torch.eye(6)[0])
    first = np.array([0.5, 1, 0.5, 0.25, 1, 0.5, 1, 0.5], np.float32)
    vectors = np.zeros((8, 6), np.float32)
    vectors[:, 0] = first
    for seed in (0, 1):
        place = tie_order(8, seed)
        expected = sorted(range(8), key=lambda track: (-first[track], place[track]))[:6]
        ranking = TowersRecommender(towers, vectors, seed).recommend(users, 6, None)
        assert ranking.tracks.tolist() == [expected] * 3


def test_an_exact_index_recommends_what_the_towers_do(towers, users, unit_vectors, ragged):
    vectors = unit_vectors(20, 6)
    index = FaissIndex.build(vectors, IndexSettings(kind="flat"))
    for exclude in (None, ragged([[3, 7], [], range(18)])):
        exact = TowersRecommender(towers, vectors, 0).recommend(users, 5, exclude)
        found = IndexRecommender(towers, index).recommend(users, 5, exclude)
        assert found.tracks.tolist() == exact.tracks.tolist()
        np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)


def test_both_obey_the_interface_of_a_recommender(towers, unit_vectors):
    vectors = unit_vectors(20, 6)
    index = FaissIndex.build(vectors, IndexSettings(kind="flat"))
    for recommender in (TowersRecommender(towers, vectors, 0), IndexRecommender(towers, index)):
        assert isinstance(recommender, Recommender)
        assert recommender.fit(None) is recommender
