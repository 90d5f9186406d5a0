import numpy as np
import pytest
from scipy.sparse import csr_array

from loopback_core.data import NOTHING, Histories, Ragged
from loopback_core.recommenders.baselines.matrices import (
    CoOccurrence,
    history_plays,
    rank_positive,
    silence,
    unit_rows,
    weigh,
)


def histories(*rows):
    tracks = Ragged.from_pairs(np.repeat(np.arange(len(rows)), [len(r) for r in rows]), np.concatenate(rows), len(rows))
    return Histories(
        np.arange(len(rows)), tracks, np.zeros(len(tracks.values), np.int64), np.zeros(len(rows), np.int64)
    )


def test_plays_of_a_history_are_added_up_and_tracks_beyond_the_catalog_left_out():
    asked = histories([2, 0, 2, 7], [1])
    assert history_plays(asked, 3).toarray().tolist() == [[1, 0, 2], [0, 1, 0]]
    weighed = history_plays(asked, 3, np.array([0.5, 1.0, 0.25, 9.0, 2.0]))
    assert weighed.toarray().tolist() == [[1, 0, 0.75], [0, 2, 0]]


def test_a_listen_that_weighs_almost_nothing_against_the_heaviest_of_its_history_is_left_out():
    weight = np.array([1e-9, 1e-12, 1.0, 1e-9])  # the first history is old as a whole, and counts all the same
    assert history_plays(histories([0, 0], [1, 2]), 3, weight).nnz == 2


def test_weights_are_one_or_the_logarithm_of_the_plays():
    plays = csr_array(np.array([[0.0, 1.0, 3.0]]))
    assert weigh(plays, "binary").toarray().tolist() == [[0, 1, 1]]
    assert weigh(plays, "log").toarray()[0] == pytest.approx([0, np.log(2), np.log(4)])
    assert plays.toarray().tolist() == [[0, 1, 3]]  # not changed


def test_rows_get_unit_length_and_an_empty_one_stays_empty():
    found = unit_rows(csr_array(np.array([[3.0, 4.0], [0.0, 0.0]]))).toarray()
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


@pytest.mark.parametrize("asymmetry", [0.25, 0.5])
@pytest.mark.parametrize("history", [[[1.0, 0, 2, 0, 0]], [[1.0, 1, 2, 3, 1]]], ids=["sparse", "dense"])
def test_similarities_are_the_same_whether_they_are_kept_or_multiplied_out(asymmetry, history, monkeypatch):
    groups = np.array([[1.0, 2, 0, 0, 0], [0, 1, 1, 0, 0], [3, 0, 1, 0, 0], [0, 0, 0, 1, 0]])
    squared = np.maximum((groups**2).sum(axis=0), 1e-12)
    by_hand = (groups.T @ groups) / squared[:, None] ** asymmetry / squared ** (1 - asymmetry)
    by_hand[:, 4] = by_hand[4] = 0  # a track in no group is like none
    expected = np.array(history) @ by_hand
    for most_pairs in (100, 0):
        monkeypatch.setattr(CoOccurrence, "MOST_PAIRS", most_pairs)
        for dense in (0.0, 1.0):
            monkeypatch.setattr("loopback_core.recommenders.baselines.matrices.DENSE", dense)
            found = CoOccurrence(csr_array(groups), asymmetry).score(csr_array(np.array(history)))
            found = found if isinstance(found, np.ndarray) else found.toarray()
            assert found == pytest.approx(expected, rel=1e-5)


def test_only_tracks_with_a_positive_score_are_ranked_in_either_form():
    scores = np.array([[0.5, 0.0, -1.0, 2.0]], np.float32)
    for form in (csr_array(scores), scores.copy()):
        assert rank_positive(form, 3, np.arange(4), None).tracks.tolist() == [[3, 0, NOTHING]]
    exclude = Ragged(np.array([0, 1]), np.array([3]))
    assert rank_positive(csr_array(scores), 3, np.arange(4), exclude).tracks.tolist() == [[0, NOTHING, NOTHING]]


def test_a_history_without_known_tracks_gets_no_scores():
    scores = silence(np.ones((2, 2), np.float32), csr_array(np.array([[0.0, 1.0], [0.0, 0.0]])))
    assert scores.tolist() == [[1, 1], [-np.inf, -np.inf]]
