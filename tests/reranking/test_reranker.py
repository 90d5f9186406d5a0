import numpy as np
import pytest

from loopback_core.data import NOTHING, Histories, Ragged, Ranking
from loopback_core.reranking.list_diversity import list_diversity
from loopback_core.reranking.reranker import HEAD, Reranker, Rules, occurrence
from loopback_core.settings import RERANKING_METHODS

N = 400
ARTIST = (np.arange(N) // 4).astype(np.int32)


def histories(*heard):
    """One row for each of these lists of tracks."""
    offsets = np.cumsum([0, *map(len, heard)])
    values = np.array([track for row in heard for track in row], np.int64)
    return Histories(np.arange(len(heard)), Ragged(offsets, values), np.arange(len(values)), np.full(len(heard), N))


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    of_artist = rng.standard_normal((N // 4, 8))
    vectors = of_artist[ARTIST] + 0.1 * rng.standard_normal((N, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def ranking_of(tracks):
    return Ranking(np.array([tracks]), -np.arange(len(tracks), dtype=np.float32)[None])


def reranked(vectors, tracks, heard=(), **of):
    return Reranker(vectors, ARTIST, **({"works": np.arange(N)} | of)).rerank(ranking_of(tracks), histories(heard))


def test_at_0_without_a_broken_rule_a_list_stays(vectors):
    tracks = np.arange(0, N, 2)
    assert (reranked(vectors, tracks).tracks[0] == tracks).all()


@pytest.mark.parametrize("method", RERANKING_METHODS)
def test_the_head_changes_its_order_and_the_rest_stays(vectors, method):
    tracks = np.arange(300)
    lists = reranked(vectors, tracks, heard=[60, 60, 80, 2], diversity=0.6, method=method)
    assert sorted(lists.tracks[0, :HEAD]) == list(range(HEAD))
    assert (lists.tracks[0, :HEAD] != tracks[:HEAD]).any()
    assert (lists.tracks[0, HEAD:] == tracks[HEAD:]).all()
    assert (lists.scores[0] == -lists.tracks[0]).all()  # every track keeps its score


def test_diverse_lists_have_more_artists(vectors):
    before = list_diversity(np.arange(10)[None], vectors, ARTIST)
    after = list_diversity(reranked(vectors, np.arange(100), diversity=0.5).tracks[:, :10], vectors, ARTIST)
    assert all(late > early for late, early in zip(after, before, strict=True))


def test_a_later_version_goes_behind_all_others_unless_the_user_plays_it(vectors):
    works = np.arange(N)
    works[[20, 140]] = works[3]
    order = reranked(vectors, np.arange(150), works=works).tracks[0]
    assert order[148:].tolist() == [20, 140]
    order = reranked(vectors, np.arange(150), works=works, heard=[140]).tracks[0]
    assert order[149] == 20 and order[139] == 140
    order = reranked(vectors, np.arange(150), works=works, rules=Rules(one_version=False)).tracks[0]
    assert (order == np.arange(150)).all()


def test_an_artist_has_at_most_so_many_tracks_before_the_others_had_a_turn(vectors):
    order = reranked(vectors, np.arange(200), rules=Rules(most_of_artist=2)).tracks[0]
    assert order[:100].tolist() == [track for track in range(200) if track % 4 < 2]
    assert sorted(order[100:]) == [track for track in range(200) if track % 4 >= 2]


def test_others_come_first_where_one_artist_fills_the_head(vectors):
    artist = np.where(np.arange(N) < 150, 0, ARTIST).astype(np.int32)
    ranking = ranking_of(np.arange(200))
    lists = Reranker(vectors, artist, np.arange(N), rules=Rules(most_of_artist=1)).rerank(ranking, histories([]))
    assert lists.tracks[0, 0] == 0 and (lists.tracks[0, 1:10] >= 150).all()


def test_a_late_version_takes_no_turn_of_its_artist(vectors):
    works = np.arange(N)
    works[1] = works[0]
    order = reranked(vectors, np.arange(8), works=works, rules=Rules(most_of_artist=2)).tracks[0]
    assert order.tolist() == [0, 2, 4, 5, 1, 3, 6, 7]


def test_short_and_empty_lists_stay_unpadded(vectors):
    ranking = Ranking(
        np.array([[5, 9, NOTHING], [NOTHING] * 3]), np.array([[2.0, 1.0, -np.inf], [-np.inf] * 3], np.float32)
    )
    lists = Reranker(vectors, ARTIST, np.arange(N), 0.5).rerank(ranking, histories([], []))
    assert sorted(lists.tracks[0, :2]) == [5, 9] and lists.tracks[0, 2] == NOTHING
    assert (lists.tracks[1] == NOTHING).all()


def test_listens_beyond_the_catalog_are_no_taste(vectors):
    within = reranked(vectors, np.arange(100), heard=[8, 8, 12], diversity=0.5, method="calibrated")
    beyond = reranked(vectors, np.arange(100), heard=[8, 8, 12, N, N + 7], diversity=0.5, method="calibrated")
    assert (within.tracks == beyond.tracks).all()


def test_occurrence_counts_from_0():
    assert occurrence(np.array([3, 1, 3, 3, 2, 1])).tolist() == [0, 0, 1, 2, 0, 1]
    assert occurrence(np.zeros(0, np.int64)).tolist() == []


def test_distance_artists_and_entropy_by_hand():
    vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    lists = np.array([[0, 1, 2, NOTHING], [1, NOTHING, NOTHING, NOTHING]])
    distance, artists, entropy = list_diversity(lists, vectors, np.array([7, 7, 8], np.int32))
    assert distance == pytest.approx(2 / 3)  # of the pairs 01, 02, 12: 1, 0, 1; a list of one track has no pair
    assert artists == 2
    assert entropy == pytest.approx(-(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3)))
    assert list_diversity(lists[1:], vectors, np.array([7, 7, 8], np.int32)) == (0, 0, 0)
