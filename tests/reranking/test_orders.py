"""The orders that trade relevance for diversity."""

import itertools

import numpy as np
import pytest

from loopback_core.reranking import artist_coverage
from loopback_core.reranking.artist_coverage import PAGE_LENGTH, with_artists
from loopback_core.reranking.calibrate import SMOOTHING, calibrated
from loopback_core.reranking.diversify import diversified

METHODS = ["mmr", "dpp"]


@pytest.fixture
def drawn():
    """Vectors of unit norm and descending scores of 40 candidates."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.sort(rng.random(40).astype(np.float32))[::-1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("diversity", [0, 0.2, 0.9, 1])
def test_an_order_holds_every_candidate_once(drawn, method, diversity):
    order = diversified(*drawn, diversity, method, 40)
    assert sorted(order.tolist()) == list(range(40))
    if diversity == 0:
        assert order.tolist() == list(range(40))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 1])
def test_short_lists_stay(drawn, method, n):
    vectors, scores = drawn
    assert diversified(vectors[:n], scores[:n], 0.5, method, 40).tolist() == list(range(n))


@pytest.mark.parametrize("method", METHODS)
def test_among_equal_scores_diversity_is_free(method):
    vectors = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
    order = diversified(vectors, np.ones(12, np.float32), 0.5, method, 12)
    assert sorted(order[:4] // 3) == [0, 1, 2, 3]


def test_mmr_is_that_of_its_paper(drawn):
    """Each next one has the largest (1 - d) * relevance - d * largest similarity to what was chosen."""
    vectors, scores = drawn
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    chosen = [0]
    while len(chosen) < 40:
        left = [i for i in range(40) if i not in chosen]
        value = {
            i: 0.7 * relevance[i] - 0.3 * max(np.clip(vectors[i] @ vectors[j], 0, 1) for j in chosen) for i in left
        }
        chosen.append(max(left, key=value.get))
    assert diversified(vectors, scores, 0.3, "mmr", 40).tolist() == chosen


@pytest.mark.parametrize("method", METHODS)
def test_the_dial_means_the_same_whatever_the_scale_of_the_scores(drawn, method):
    vectors, scores = drawn
    as_they_are, scaled = (diversified(vectors, of, 0.3, method, 40).tolist() for of in (scores, 40 * scores - 7))
    assert as_they_are == scaled


def test_copies_of_the_best_go_behind_what_is_different():
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([1, 0.9, 0.8, 0.7], np.float32)
    assert diversified(vectors, scores, 0.5, "mmr", 40).tolist()[:2] == [0, 3]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_first_places_are_chosen(drawn, method):
    order, all_of_it = (diversified(*drawn, 0.5, method, places).tolist() for places in (5, 40))
    assert order[:5] == all_of_it[:5] and order[5:] == sorted(order[5:])
    assert sorted(order) == list(range(40))


def divergence(artists, taste_artists, taste):
    of_list = (
        np.array([(1 - SMOOTHING) * np.mean([a == b for b in artists]) for a in taste_artists]) + SMOOTHING * taste
    )
    return float(np.sum(taste * np.log(taste / of_list)))


def test_calibration_is_the_greedy_of_its_paper():
    rng = np.random.default_rng(1)
    artists, scores = rng.integers(0, 6, 12), np.sort(rng.random(12).astype(np.float32))[::-1]
    taste_artists, taste = np.array([4, 1, 9]), np.array([0.5, 0.3, 0.2])
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    chosen = []
    while len(chosen) < 12:
        left = [i for i in range(12) if i not in chosen]
        value = {
            i: 0.4 * relevance[i] - 0.6 * divergence([*artists[chosen], artists[i]], taste_artists, taste) for i in left
        }
        chosen.append(max(left, key=value.get))
    assert calibrated(artists, scores, taste_artists, taste, 0.6, 12).tolist() == chosen


def test_a_calibrated_list_has_the_shares_of_the_history():
    artists = np.repeat([0, 1], 20)
    scores = np.linspace(1, 0, 40).astype(np.float32)
    first = artists[calibrated(artists, scores, np.array([0, 1]), np.array([0.7, 0.3]), 0.99, 10)[:10]]
    assert (first == 0).sum() == 7


@pytest.mark.parametrize("taste", [0, 3])
def test_without_a_taste_or_a_dial_the_order_stays(taste):
    scores = np.linspace(1, 0, 5).astype(np.float32)
    shares = np.full(taste, 1 / max(taste, 1))
    diversity = 0.0 if taste else 0.5
    order = calibrated(np.arange(5), scores, np.arange(taste), shares, diversity, 5)
    assert order.tolist() == list(range(5))


def test_every_order_is_the_same_on_every_run(drawn):
    for method, _ in itertools.product(METHODS, range(2)):
        assert diversified(*drawn, 0.4, method, 40).tolist() == diversified(*drawn, 0.4, method, 40).tolist()


@pytest.mark.parametrize("diversity", [0, 0.1, 0.35, 1])
def test_a_page_is_the_set_with_the_largest_sum_of_scores_and_of_a_bonus_for_each_artist(diversity, monkeypatch):
    """Against every set of so many of the candidates."""
    monkeypatch.setattr(artist_coverage, "PAGE_LENGTH", 4)
    rng = np.random.default_rng(3)
    scores, artists = np.sort(rng.random(11).astype(np.float32))[::-1], rng.integers(0, 5, 11)
    relevance = (scores - scores.min()) / np.ptp(scores)

    def worth(page):
        return relevance[list(page)].sum() + diversity * len(set(artists[list(page)]))

    order, left = with_artists(artists, scores, diversity, 8).tolist(), list(range(11))
    assert sorted(order) == left
    for page in (order[:4], order[4:8]):
        assert worth(page) == pytest.approx(max(map(worth, itertools.combinations(left, 4))))
        assert page == sorted(page)  # in the order of the scores
        left = [place for place in left if place not in page]
    assert order[8:] == left


def test_at_1_every_artist_has_a_turn_on_each_page():
    artists = np.repeat(np.arange(20), 5)
    order = with_artists(artists, -np.arange(100, dtype=np.float32), 1.0, 30)
    assert [len(set(artists[order[start : start + PAGE_LENGTH]])) for start in (0, 10, 20)] == [PAGE_LENGTH] * 3
    assert with_artists(np.zeros(1, np.int64), np.ones(1, np.float32), 0.5, 30).tolist() == [0]
    assert with_artists(np.zeros(12, np.int64), np.ones(12, np.float32), 0.5, 30).tolist() == list(range(12))
