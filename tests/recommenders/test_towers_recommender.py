from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from loopback_core.data import NOTHING, Catalog, Histories, Ragged, Ranking
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, LinearRanker
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import CATALOG_FEATURES, Knowledge
from loopback_core.recommenders.catalog_head import CatalogHead
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.recommender import Recommender
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.embed import user_vectors
from loopback_core.retrieval.indexes import build_index
from loopback_core.retrieval.top_k import tie_order
from loopback_core.settings import IndexSettings

ARTIST = (np.arange(20) % 4).astype(np.int32)


NEAR = RelatedArtists(np.array([1, 3]), np.array([[0, 0.5], [0.25, 0]], np.float32))


def some_values():
    return np.random.default_rng(1).random((20, len(CATALOG_FEATURES))).astype(np.float32) * 9


def scorer_by(towers, vectors, ranker=TOWERS_ALONE, values=None):
    n = len(vectors)
    artist, counts = ARTIST[:n], np.zeros(n, np.int64)
    catalog = Catalog(5, artist, counts, counts, counts, counts[:4], counts[:4], counts[:4])
    values = np.zeros((n, len(CATALOG_FEATURES)), np.float32) if values is None else values
    return Scorer(towers, Knowledge(catalog, Relations(NEAR)), vectors, values, artist, ranker)


@pytest.fixture
def users():
    nothing = Ragged(np.zeros(4, np.int64), np.zeros(0, np.int64))
    return Histories(np.array([0, 4, -1]), nothing, np.zeros(0, np.int64), now=np.zeros(3, np.int64))


def test_the_towers_rank_by_the_dot_product_without_what_is_excluded(towers, users, unit_vectors, ragged):
    vectors = unit_vectors(20, 6)
    recommender = TowersRecommender(scorer_by(towers, vectors), seed=0)
    exclude = ragged([[3, 7], [], range(18)])
    ranking = recommender.recommend(users, 5, exclude)
    scores = user_vectors(towers, users, ARTIST) @ vectors.T * towers.inverse_temperature().item()
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
        ranking = TowersRecommender(scorer_by(towers, vectors), seed).recommend(users, 6, None)
        assert ranking.tracks.tolist() == [expected] * 3


def test_an_exact_index_recommends_what_the_towers_do(towers, users, unit_vectors, ragged):
    vectors = unit_vectors(20, 6)
    scorer = scorer_by(towers, vectors)
    index = build_index(vectors, IndexSettings(kind="flat"))
    for exclude in (None, ragged([[3, 7], [], range(18)])):
        exact = TowersRecommender(scorer, 0).recommend(users, 5, exclude)
        found = IndexRecommender(scorer, index, 0).recommend(users, 5, exclude)
        assert found.tracks.tolist() == exact.tracks.tolist()
        np.testing.assert_allclose(found.scores, exact.scores, atol=1e-5)


@pytest.fixture
def listeners(ragged):
    """A user who played tracks 2 (twice) and 5, one who played 7, and one who played nothing."""
    tracks = ragged([[2, 5, 2], [7], []])
    day = 86_400
    return Histories(np.array([0, 1, -1]), tracks, np.array([0, 8, 10, 0]) * day, now=np.full(3, 10 * day))


WEIGHTS = LinearRanker.of(
    {
        "towers": 1.5,
        "listeners": 0.7,
        "trend": 0.3,
        "track plays 1d": 2.0,
        "artist plays": 1.0,
        "artist plays 1d": 0.5,
        "artist plays x listeners": 0.25,
        "related": 0.2,
    }
)


def test_a_served_score_is_the_sum_of_its_terms(towers, listeners, unit_vectors):
    vectors, values = unit_vectors(20, 6), some_values()
    scorer = scorer_by(towers, vectors, WEIGHTS, values)
    ranking = TowersRecommender(scorer, 0).recommend(listeners, 20, None)
    alone = user_vectors(towers, listeners, ARTIST) @ vectors.T * towers.inverse_temperature().item()
    expected = 1.5 * alone + values[:, :2] @ [0.7, 0.3]
    popular = 1 + 0.25 * values[:, 0]  # what one of log plays of an artist adds
    expected[0, 2] += 2 * np.log1p(1 + 0.5**10)  # heard now and ten half-lives ago
    expected[0, 5] += 2 * np.log1p(0.5**2)
    expected[1, 7] += 2 * np.log1p(0.5**10)
    expected[0, ARTIST == 2] += (np.log1p(2) * popular + 0.5 * np.log1p(1 + 0.5**10))[ARTIST == 2]
    expected[0, ARTIST == 1] += (np.log1p(1) * popular + 0.5 * np.log1p(0.5**2))[ARTIST == 1]
    expected[1, ARTIST == 3] += (np.log1p(1) * popular + 0.5 * np.log1p(0.5**10))[ARTIST == 3]
    expected[0, ARTIST == 3] += 0.2 * np.log1p(100)  # near artist 1, which the first one heard
    expected[1, ARTIST == 1] += 0.2 * np.log1p(100)
    for row in range(3):
        order = np.argsort(-expected[row])
        assert ranking.tracks[row].tolist() == order.tolist()
        np.testing.assert_allclose(ranking.scores[row], expected[row, order], rtol=1e-5)


def test_the_towers_alone_and_as_served_share_their_products(towers, listeners, unit_vectors, ragged):
    vectors, values = unit_vectors(20, 6), some_values()
    scorer, exclude = scorer_by(towers, vectors, WEIGHTS, values), ragged([[2, 6], [], range(18)])
    alone, whole = TowersRecommender(replace(scorer, ranker=TOWERS_ALONE), 0), TowersRecommender(scorer, 0)
    encoded = scorer.encode(listeners)
    products = encoded.vectors @ vectors.T
    for recommender in (alone, whole):  # in this order: the second adds the rest to the products
        found = recommender.rank_products(products, encoded.prior, 10, exclude)
        expected = recommender.recommend(listeners, 10, exclude)
        assert found.tracks.tolist() == expected.tracks.tolist()
        assert found.scores.tolist() == expected.scores.tolist()


def test_through_an_exact_index_nothing_that_the_prior_lifts_is_missed(towers, listeners, unit_vectors, ragged):
    vectors, values = unit_vectors(20, 6), some_values()
    scorer = scorer_by(towers, vectors, WEIGHTS, values)
    index = build_index(vectors, IndexSettings(kind="flat"))
    for exclude in (None, ragged([[2, 6], [], range(18)])):
        for k in (1, 3, 8):
            exact = TowersRecommender(scorer, 0).recommend(listeners, k, exclude)
            found = IndexRecommender(scorer, index, 0).recommend(listeners, k, exclude)
            assert found.tracks.tolist() == exact.tracks.tolist()
            np.testing.assert_allclose(found.scores, exact.scores, rtol=1e-4)


def test_what_everybody_is_told_is_found_however_far_from_the_user_it_is(
    towers, listeners, unit_vectors, ragged, monkeypatch
):
    """The index knows products alone, and is asked for a tenth of the catalog; popularity decides nearly all of the score."""
    monkeypatch.setattr("loopback_core.recommenders.index_recommender.NEAREST_OF_INDEX", 2)
    monkeypatch.setattr("loopback_core.recommenders.catalog_head.HEAD_TRACKS", 12)
    vectors, values = unit_vectors(20, 6), some_values()
    scorer = scorer_by(towers, vectors, LinearRanker.of({"towers": 0.01, "listeners": 5.0, "track plays": 0.1}), values)
    index = build_index(vectors, IndexSettings(kind="flat"))
    head = CatalogHead(scorer)
    assert set(head.tracks) == set(np.argsort(-values[:, 0])[:12])
    for exclude in (None, ragged([[2, 6, *np.argsort(-values[:, 0])[:4], 1000], [], range(14)])):
        exact = TowersRecommender(scorer, 0).recommend(listeners, 2, exclude)
        found = IndexRecommender(scorer, index, 0).recommend(listeners, 2, exclude)
        assert found.tracks[:2].tolist() == exact.tracks[:2].tolist()
        if exclude is not None:
            rows, tracks = head.best(scorer.users(listeners), 5, exclude)
            assert not any(np.isin(tracks[rows == row], exclude[row]).any() for row in range(3))
    none_shared = scorer_by(towers, vectors, LinearRanker.of({"towers": 1.0, "track plays": 1.0}), values)
    assert not len(CatalogHead(none_shared).tracks)


def test_of_the_tracks_of_artists_those_with_the_largest_prior_are_scored(towers, listeners, unit_vectors, monkeypatch):
    """The index finds nothing here: what comes back beside the history are the MOST_LIFTED best of its artists."""
    monkeypatch.setattr("loopback_core.recommenders.index_recommender.MOST_LIFTED", 3)
    monkeypatch.setattr("loopback_core.recommenders.catalog_head.HEAD_TRACKS", 0)
    vectors, values = unit_vectors(20, 6), some_values()
    scorer = scorer_by(towers, vectors, LinearRanker.of({"listeners": 1.0, "artist plays": 1.0}), values)
    nothing = Ranking(np.full((3, 5), NOTHING), np.full((3, 5), -np.inf, np.float32))
    index = SimpleNamespace(search=lambda queries, k, exclude: nothing)
    found = IndexRecommender(scorer, index, 0).recommend(listeners, 5, None)
    assert (found.tracks[1] != NOTHING).sum() == 3 and (ARTIST[found.tracks[1][:3]] == 3).all()
    best = max(np.flatnonzero(ARTIST == 3), key=lambda track: values[track, 0])
    assert best == found.tracks[1][0]


def test_tracks_of_artists_that_are_excluded_take_no_place(towers, listeners, unit_vectors, ragged, monkeypatch):
    monkeypatch.setattr("loopback_core.recommenders.index_recommender.MOST_LIFTED", 2)
    monkeypatch.setattr("loopback_core.recommenders.catalog_head.HEAD_TRACKS", 0)
    vectors, values = unit_vectors(20, 6), some_values()
    scorer = scorer_by(towers, vectors, LinearRanker.of({"listeners": 1.0, "artist plays": 1.0}), values)
    nothing = Ranking(np.full((3, 5), NOTHING), np.full((3, 5), -np.inf, np.float32))
    index = SimpleNamespace(search=lambda queries, k, exclude: nothing)
    of_artist = np.flatnonzero(ARTIST == 3)
    by_listeners = of_artist[np.argsort(-values[of_artist, 0])]
    exclude = ragged([[], [*np.sort(by_listeners[:2]).tolist(), 1000], []])  # 1000 is no track of this catalog
    found = IndexRecommender(scorer, index, 0).recommend(listeners, 5, exclude)
    assert found.tracks[1][found.tracks[1] != NOTHING].tolist() == by_listeners[2:4].tolist()


def test_both_obey_the_interface_of_a_recommender(towers, unit_vectors):
    vectors = unit_vectors(20, 6)
    index, scorer = build_index(vectors, IndexSettings(kind="flat")), scorer_by(towers, vectors)
    for recommender in (TowersRecommender(scorer, 0), IndexRecommender(scorer, index, 0)):
        assert isinstance(recommender, Recommender)
        assert recommender.fit(None) is recommender
