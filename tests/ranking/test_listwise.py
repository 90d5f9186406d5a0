import numpy as np
import pytest

from loopback_core.ranking.listwise import Bounds, FitRequests, ListwiseLoss, minimum

FREE = Bounds(np.full(2, -np.inf), np.full(2, np.inf))


@pytest.fixture
def asked():
    """Two requests of three and two candidates, with one positive each and two in the first."""
    features = np.array([[1, 0], [0, 2], [3, 1], [1, 1], [0, 0]], np.float32)
    return FitRequests(features, np.array([3, 2]), np.array([True, False, True, True, False]), np.array([4, 7]))


def test_every_positive_is_compared_with_the_negatives_alone(asked):
    weights = np.array([0.5, -1.0])
    s = asked.features @ weights
    first = [-np.log(np.exp(s[i]) / (np.exp(s[i]) + np.exp(s[1]))) for i in (0, 2)]
    second = -np.log(np.exp(s[3]) / (np.exp(s[3]) + np.exp(s[4])))
    assert ListwiseLoss(asked)(weights)[0] == pytest.approx((np.mean(first) + second) / 2, rel=1e-5)


def test_the_gradient_is_that_of_the_loss(asked):
    loss, weights, step = ListwiseLoss(asked), np.array([0.3, -0.2]), 1e-2
    for place, along in enumerate(np.eye(2) * step):
        slope = (loss(weights + along)[0] - loss(weights - along)[0]) / (2 * step)
        assert loss(weights)[1][place] == pytest.approx(slope, rel=1e-2)


def test_scores_that_lie_far_apart_have_their_loss_and_gradient():
    features = np.array([[200], [0], [50], [50], [30]], np.float32)
    asked = FitRequests(features, np.array([4, 1]), np.array([True, True, False, False, True]), np.array([4, 7]))
    loss, gradient = ListwiseLoss(asked)(np.array([1.0]))
    assert loss == pytest.approx(
        (50 + np.log(2)) / 4
    )  # the second positive against both negatives, half of half of the mean
    assert gradient == pytest.approx([50 / 4])


def test_the_spread_is_that_within_a_request(asked):
    variance = (asked.features[:3].var(axis=0) + asked.features[3:].var(axis=0)) / 2
    np.testing.assert_allclose(asked.spread(), np.sqrt(variance), rtol=1e-6)


def test_the_minimum_does_not_depend_on_where_the_search_begins(asked):
    found = [
        minimum(ListwiseLoss(asked), asked.spread(), FREE, 0.5, np.array(start)) for start in ([0.0, 0.0], [3.0, -2.0])
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-2)


def test_a_stronger_penalty_gives_smaller_weights_and_bounds_are_kept(asked):
    weak, strong = (
        minimum(ListwiseLoss(asked), asked.spread(), FREE, strength, np.zeros(2)) for strength in (0.1, 10.0)
    )
    assert np.linalg.norm(strong) < np.linalg.norm(weak) and weak[0] > 0
    bounds = Bounds(np.full(2, -np.inf), np.zeros(2))
    assert minimum(ListwiseLoss(asked), asked.spread(), bounds, 0.1, np.zeros(2))[0] == 0


def test_a_feature_that_is_the_same_for_all_candidates_has_no_weight(asked):
    constant = FitRequests(np.ones_like(asked.features), asked.lengths, asked.is_positive, asked.user)
    assert not minimum(ListwiseLoss(constant), constant.spread(), FREE, 0.1, np.zeros(2)).any()


def test_of_some_requests_only_their_candidates_are_left(asked):
    second = asked.where(np.array([False, True]))
    assert (
        second.features.tolist() == [[1, 1], [0, 0]] and second.lengths.tolist() == [2] and second.user.tolist() == [7]
    )
