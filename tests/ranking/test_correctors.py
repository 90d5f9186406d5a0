"""Correctors of the linear score of the best candidates: what they read, what they keep, when they are used."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_log import planted_splits

from loopback_core.data import NOTHING, Ragged, Ranking
from loopback_core.errors import ArtifactError
from loopback_core.ranking.best_candidates import RANK_FEATURES, BestCandidates, rank_features
from loopback_core.ranking.corrector_files import load_correctors, save_correctors
from loopback_core.ranking.cross_encoder_fitting import CrossEncoding
from loopback_core.ranking.cross_fitting import fit_corrector
from loopback_core.ranking.dropped_groups import losses_without_groups
from loopback_core.ranking.feature_groups import feature_groups
from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT, LinearRanker
from loopback_core.ranking.rank_requests import NO_RANK_REQUESTS, RankRequests, all_requests, ranked_task
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.reordering import reordered
from loopback_core.ranking.scorer import scorer_of
from loopback_core.ranking.tree_fitting import Trees
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.settings import TowersSettings
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import discovery
from loopback_core.towers.two_tower import TwoTower, Vocabulary


class Turned:
    """Turns the list around, whatever the features are."""

    def __init__(self, places):
        self.places = places

    def corrected(self, best, vectors):
        return best.scores + 100 * best.features[:, RANK_FEATURES.index("place by score")]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A task of the planted log and its scorer, with untrained towers."""
    splits = planted_splits(tmp_path_factory.mktemp("planted"))
    task = discovery(splits.tuning_period)
    catalog = task.fit.catalog
    torch.manual_seed(0)
    model = TwoTower(
        Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), TowersSettings(output_dim=8)
    ).eval()
    ranker = LinearRanker.of({PRODUCT: 1.0, "listeners": 0.3})
    return task, scorer_of(task, model, ranker, relations=Relations.learn(task.fit, 100, 20))


def learnable(n_users, signal, seed=0):
    """Requests of ten candidates with one positive: the linear score says nothing, one feature says `signal` of it."""
    rng = np.random.default_rng(seed)
    n = n_users * 2
    positive = rng.integers(10, size=n)
    is_positive = (np.arange(10) == positive[:, None]).ravel()
    features = rng.standard_normal((n * 10, len(RANK_FEATURES))).astype(np.float32)
    features[:, 0] = signal * is_positive + rng.standard_normal(n * 10)
    nothing = Ragged(np.zeros(n + 1, np.int64), np.zeros(0, np.int64))
    return RankRequests(
        features,
        np.zeros(n * 10, np.float32),
        np.full(n, 10),
        np.zeros(n * 10, np.int64),
        nothing,
        is_positive,
        np.ones(n, np.int64),
        np.repeat(np.arange(n_users), 2),
    )


def following(n_users, seed=0):
    """Requests of ten of 20 tracks: played next is the one that follows the last listen, which no feature says."""
    rng = np.random.default_rng(seed)
    tracks = np.array([rng.permutation(20)[:10] for _ in range(n_users)])
    last = (tracks[np.arange(n_users), rng.integers(10, size=n_users)] - 1) % 20
    history = Ragged(np.arange(0, 2 * n_users + 1, 2), np.stack([rng.integers(20, size=n_users), last], axis=1).ravel())
    return RankRequests(
        rng.standard_normal((n_users * 10, len(RANK_FEATURES))).astype(np.float32),
        np.zeros(n_users * 10, np.float32),
        np.full(n_users, 10),
        tracks.ravel(),
        history,
        ((tracks - 1) % 20 == last[:, None]).ravel(),
        np.ones(n_users, np.int64),
        np.arange(n_users),
    )


def test_products_and_scores_are_read_relative_to_the_best_of_their_request():
    features = np.zeros((5, len(FEATURES)), np.float32)
    features[:, FEATURES.index(PRODUCT)] = [2, 3, 1, 7, 5]
    columns = rank_features(features, np.array([9, 8, 7, 4, 2], np.float32), np.array([3, 2]))
    assert columns.shape == (5, len(RANK_FEATURES)) and columns.dtype == np.float32
    assert columns[:, -3:].T.tolist() == [[-1, 0, -2, 0, -2], [0, -1, -2, 0, -2], [0, 1, 2, 0, 1]]


def test_only_the_best_candidates_change_places_and_scores_fall_to_the_end(asked):
    task, scorer = asked
    scorer = replace(scorer, corrector=Turned(4))
    users = scorer.encode(task.histories)
    by_score = TowersRecommender(scorer, 0).rank(users, 9, task.exclude)
    served = reordered(scorer, users, by_score)
    assert np.array_equal(served.tracks[:, :4], by_score.tracks[:, 3::-1])
    assert np.array_equal(served.tracks[:, 4:], by_score.tracks[:, 4:])
    assert (np.diff(served.scores, axis=1) <= 0).all() and np.isfinite(served.scores).all()


def test_short_and_empty_lists_stay_as_long_as_they_are(asked):
    task, scorer = asked
    scorer = replace(scorer, corrector=Turned(4))
    users = scorer.encode(task.histories.rows(0, 3))
    tracks = np.array([[5, 6, 7, 8, 9], [5, 6, NOTHING, NOTHING, NOTHING], [NOTHING] * 5])
    scores = np.where(tracks == NOTHING, -np.inf, -np.arange(5.0)).astype(np.float32)
    served = reordered(scorer, users, Ranking(tracks, scores))
    assert served.tracks.tolist() == [[8, 7, 6, 5, 9], [6, 5, NOTHING, NOTHING, NOTHING], [NOTHING] * 5]
    assert np.array_equal(np.isfinite(served.scores), served.tracks != NOTHING)


def test_the_requests_are_the_lists_that_are_served(asked):
    task, scorer = asked
    requests = ranked_task(scorer, task, 30, 0).requests
    lists = TowersRecommender(scorer, 0).recommend(task.histories, 30, task.exclude)
    ndcg = per_user_metrics(lists, task.positives, [10])["ndcg@10"]
    has_any = np.isin(task.users, requests.user)
    assert 0 < len(requests) <= len(task.users) and ndcg[~has_any].sum() == 0
    assert requests.ndcg(requests.scores) == pytest.approx(ndcg[has_any])
    assert np.array_equal(requests.n_positives, task.positives.lengths[has_any])
    assert len(all_requests([])) == len(NO_RANK_REQUESTS) == 0


METHODS = [Trees(), CrossEncoding(np.eye(20, 8, dtype=np.float32))]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
def test_a_corrector_is_used_where_other_users_are_ranked_better(method):
    fit = fit_corrector("discovery", learnable(300, signal=3.0), method, 10, 0)
    facts = fit.facts
    assert fit.corrector is not None and fit.corrector.places == 10
    assert facts["used"] and facts["kind"] == method.kind and (facts["users"], facts["requests"]) == (300, 600)
    assert facts["difference"] > 0.2 > 8 * facts["error"]
    first = next(name for name, columns in feature_groups().items() if 0 in columns)
    assert max(facts["losses"], key=facts["losses"].get) == first and facts["losses"][first] > 0.2
    if facts["gains"]:
        assert max(facts["gains"], key=facts["gains"].get) == RANK_FEATURES[0]
        assert sum(facts["gains"].values()) == pytest.approx(1)


def test_trees_that_learn_nothing_are_left_out_unless_they_are_asked_for():
    noise = learnable(300, signal=0.0, seed=1)
    assert fit_corrector("discovery", noise, Trees(), 10, 1).corrector is None
    forced = fit_corrector("discovery", noise, Trees(), 10, 1, always=True)
    assert forced.corrector is not None and forced.facts["difference"] < 2 * forced.facts["error"]


def test_few_users_tell_nothing():
    fit = fit_corrector("discovery", learnable(20, signal=3.0), Trees(), 10, 0, always=True)
    assert fit.corrector is None and fit.facts["steps"] == 0


def test_the_cross_encoder_reads_what_follows_the_last_listen():
    vectors = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)
    facts = fit_corrector("next_listen", following(600), CrossEncoding(vectors), 10, 0, always=True).facts
    assert facts["difference"] > 0.25 > 8 * facts["error"]
    assert fit_corrector("next_listen", following(600), Trees(), 10, 0, always=True).facts["difference"] < 0.1


def test_a_candidate_is_scored_the_same_alone_and_beside_longer_requests():
    requests = learnable(40, signal=3.0)
    method = CrossEncoding(np.eye(20, 8, dtype=np.float32))
    ranker = method.fit(requests, 2, 0).corrector(2, 10)
    shorter = np.ones(len(requests.scores), np.bool_)
    shorter[4:10] = False  # the first request has four candidates
    lengths = np.r_[4, requests.lengths[1:]]
    padded = BestCandidates(
        requests.features[shorter], requests.scores[shorter], lengths, requests.track[shorter], requests.history
    )
    whole = ranker.corrected(requests, method.vectors)
    assert ranker.corrected(padded, method.vectors) == pytest.approx(whole[shorter], abs=1e-5)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
def test_a_corrector_scores_the_same_after_it_was_written_and_read(tmp_path, method):
    requests = following(100)
    corrector = method.fit(requests, method.steps[0], 0).corrector(method.steps[0], 7)
    save_correctors({"next_listen": corrector}, tmp_path)
    kept = load_correctors(tmp_path)
    assert list(kept) == ["next_listen"] and kept["next_listen"].places == 7
    vectors = np.random.default_rng(1).standard_normal((20, 8)).astype(np.float32)
    assert np.array_equal(corrector.corrected(requests, vectors), kept["next_listen"].corrected(requests, vectors))


@pytest.mark.parametrize(
    ("name", "content"), [("txt", ""), ("txt", "ten\ntree"), ("txt", "10\nnothing"), ("safetensors", "{}")]
)
def test_a_damaged_corrector_ends_in_a_sentence(tmp_path, name, content):
    (tmp_path / f"corrector.discovery.{name}").write_text(content)
    with pytest.raises(ArtifactError, match="train the ranker again"):
        load_correctors(tmp_path)


def test_the_linear_score_loses_most_without_the_group_that_says_all():
    losses = losses_without_groups(learnable(100, signal=3.0), 0)
    first, *others = losses
    assert RANK_FEATURES[0] in [RANK_FEATURES[number] for number in feature_groups()[first]]
    assert losses[first]["loss"] > 0.2 > 8 * losses[first]["error"]
    assert all(abs(losses[name]["loss"]) < 0.05 for name in others)
    assert set(losses) == set(feature_groups()) - {"linear score"}
    assert losses_without_groups(learnable(20, signal=3.0), 0) == {}


def test_every_column_is_in_one_group_of_features():
    columns = sorted(number for group in feature_groups().values() for number in group)
    assert columns == list(range(len(RANK_FEATURES)))
    assert feature_groups()["towers"] == (RANK_FEATURES.index("towers below the best"),)
    assert all(RANK_FEATURES[number].startswith("track plays") for number in feature_groups()["track plays"])
