"""Weights that are moved towards the best lists of ten: the loss, and when the moved ones are kept."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from loopback_core.data import Ragged
from loopback_core.errors import ArtifactError
from loopback_core.ranking.best_candidates import RANK_FEATURES, rank_features
from loopback_core.ranking.corrector_files import load_correctors, save_correctors
from loopback_core.ranking.fitting import LinearFit, fit_ranker
from loopback_core.ranking.linear_ranker import FEATURES, LinearRanker
from loopback_core.ranking.listwise import FitRequests
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.refining import refine_ranker
from loopback_core.ranking.smooth_ndcg import SmoothNdcg

OFTEN, LATELY, STEP = "track plays", "track plays 1d", "track, listens ago: 4 to 7"


def requests_of(features, lengths, is_positive, scores=None, users=None):
    """Requests of some candidates, in falling order of their scores. features: name -> (n,)."""
    x = np.zeros((len(is_positive), len(FEATURES)), np.float32)
    for name, values in features.items():
        x[:, FEATURES.index(name)] = values
    scores = np.zeros(len(x), np.float32) if scores is None else scores
    n = len(lengths)
    starts = np.cumsum(lengths) - lengths
    return RankRequests(
        rank_features(x, scores, lengths),
        scores,
        lengths,
        np.zeros(len(x), np.int64),
        Ragged(np.zeros(n + 1, np.int64), np.zeros(0, np.int64)),
        is_positive,
        np.maximum(np.add.reduceat(is_positive.astype(np.int64), starts), 1),
        np.arange(n) if users is None else users,
    )


def small(rng, n=5):
    lengths = rng.integers(3, 30, size=n)
    is_positive = rng.random(lengths.sum()) < 0.3
    features = {name: rng.standard_normal(lengths.sum()) for name in (OFTEN, LATELY)}
    return requests_of(features, lengths, is_positive)


def test_the_gradient_is_that_of_the_loss():
    requests = small(np.random.default_rng(0))
    x = requests.linear_features()[:, [FEATURES.index(OFTEN), FEATURES.index(LATELY)]]
    loss = SmoothNdcg(requests, x)
    at = np.array([0.3, -0.2])
    assert loss(at)[1] == pytest.approx(approx_fprime(at, lambda weights: loss(weights)[0], 1e-3), rel=0.02)


def test_far_apart_scores_have_nearly_the_exact_ndcg():
    rng = np.random.default_rng(0)
    requests = small(rng, 40)
    order = np.concatenate([rng.permutation(length) for length in requests.lengths]).astype(np.float32)
    exact = requests.ndcg(order).mean()
    smooth = 1 - SmoothNdcg(requests, order[:, None])(np.array([10.0]))[0]
    assert smooth == pytest.approx(exact, abs=0.03) and 0.1 < exact < 0.9


def test_the_first_candidates_of_requests_are_their_best():
    requests = small(np.random.default_rng(0))
    first = requests.first(7)
    ends = np.concatenate([[0], np.cumsum(requests.lengths)])
    kept = np.concatenate([np.arange(low, min(low + 7, high)) for low, high in pairwise(ends)])
    assert np.array_equal(first.features, requests.features[kept]) and first.lengths.max() == 7
    assert np.array_equal(first.n_positives, requests.n_positives)


def many_positives(n_users, seed=0):
    """Of 80 candidates 16 were played often, most of which are positives; four were played very often, and none of these is.

    The softmax raises whatever was played often, and the four come first: they are few beside the 60 that nobody plays. Lists of
    ten are best where some of the 16, those played lately, are raised above them; for the softmax this raises more negatives.
    """
    rng = np.random.default_rng(seed)
    place = np.tile(np.arange(80), n_users)
    often = np.select([place < 4, place < 20], [2.0, 1.0], 0.0)
    lately = ((place >= 4) & (place < 14) | (place >= 40)).astype(float)
    is_positive = rng.random(len(place)) < np.select([place < 4, place < 20], [0.0, 0.8], 0.02)
    noise = 0.05 * rng.standard_normal((2, len(place)))
    return {OFTEN: often + noise[0], LATELY: lately + noise[1]}, np.full(n_users, 80), is_positive


def fitted(n_users):
    """A linear fit of every user and of two thirds of them, and its requests."""
    features, lengths, is_positive = many_positives(n_users)
    asked = requests_of(features, lengths, is_positive)
    fit = fit_ranker("next_listen", FitRequests(asked.linear_features(), lengths, is_positive, np.arange(n_users)), 0)
    scores = asked.linear_features() @ fit.ranker.of_features(FEATURES)
    row = np.repeat(np.arange(n_users), lengths)
    order = np.lexsort((-scores, row))
    return fit, requests_of(
        {name: values[order] for name, values in features.items()}, lengths, is_positive[order], scores[order]
    )


def test_weights_move_where_other_users_have_better_lists_of_ten():
    fit, requests = fitted(60)
    refined = refine_ranker("next_listen", fit, requests, 300, 0)
    assert refined.facts["used"] and refined.facts["users"] == 60 and refined.facts["strength"] > 0
    assert refined.facts["difference"] > 3 * refined.facts["error"] > 0
    corrected = refined.corrector.corrected(requests, np.zeros((1, 1), np.float32))
    assert requests.ndcg(corrected).mean() > requests.ndcg(requests.scores).mean() + 0.02
    assert not set(dict(refined.corrector.added.weights)) - {OFTEN, LATELY}  # others are the same for all candidates


def test_the_corrector_can_be_read_back(tmp_path):
    fit, requests = fitted(60)
    corrector = refine_ranker("next_listen", fit, requests, 300, 0).corrector
    save_correctors({"next_listen": corrector}, tmp_path)
    assert load_correctors(tmp_path) == {"next_listen": corrector} and corrector.places == 100
    (path,) = tmp_path.iterdir()
    for damaged in (
        "",
        "{}",
        '{"places": 100, "added": {"no feature": 1}}',
        '{"places": 100, "added": {"towers": NaN}}',
    ):
        path.write_text(damaged)
        with pytest.raises(ArtifactError, match="train the ranker again"):
            load_correctors(tmp_path)


def test_no_more_places_are_put_in_order_than_the_settings_allow():
    fit, requests = fitted(60)
    refined = refine_ranker("next_listen", fit, requests, 40, 0)
    assert refined.corrector.places == refined.facts["places"] == 40


def test_of_few_users_the_weights_stay():
    fit, requests = fitted(20)
    refined = refine_ranker("next_listen", fit, requests, 300, 0)
    assert refined.corrector is None and not refined.facts["used"] and refined.facts["strength"] == 0


def test_without_fits_of_other_users_the_weights_stay():
    _, requests = fitted(60)
    alone = LinearFit(LinearRanker.of({OFTEN: 1.0}))
    assert refine_ranker("next_listen", alone, requests, 300, 0).corrector is None


def test_a_ranker_without_optional_terms_does_without_them():
    fit, requests = fitted(60)
    columns = requests.features.copy()
    columns[:, RANK_FEATURES.index(STEP)] = requests.is_positive
    told = RankRequests(
        *(columns if name == "features" else getattr(requests, name) for name in RankRequests.__dataclass_fields__)
    )
    assert STEP not in dict(refine_ranker("next_listen", fit, told, 300, 0).corrector.added.weights)
