"""Trees correct the linear score of the best candidates: what they read, what they keep, when they are used."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_log import planted_splits

from loopback_core.data import NOTHING, Ranking
from loopback_core.errors import ArtifactError
from loopback_core.ranking.feature_groups import feature_groups
from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT, LinearRanker
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.reordering import reordered
from loopback_core.ranking.scorer import scorer_of
from loopback_core.ranking.tree_fitting import fit_trees
from loopback_core.ranking.tree_ranker import TREE_FEATURES, TreeRanker, load_trees, save_trees, tree_features
from loopback_core.ranking.tree_requests import NO_TREE_REQUESTS, TreeRequests, all_requests, tree_requests_of
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.settings import RankingSettings, TowersSettings
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import discovery
from loopback_core.towers.two_tower import TwoTower, Vocabulary


class ByPlace:
    """Stands for trees: turns the list around, whatever the features are."""

    def predict(self, columns, num_threads):
        return 100 * columns[:, TREE_FEATURES.index("place by score")]


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


def turned(places):
    trees = TreeRanker("", places)
    trees.__dict__["booster"] = ByPlace()
    return trees


def learnable(n_users, signal, seed=0):
    """Requests of ten candidates with one positive: the linear score says nothing, one feature says `signal` of it."""
    rng = np.random.default_rng(seed)
    n = n_users * 2
    positive = rng.integers(10, size=n)
    is_positive = (np.arange(10) == positive[:, None]).ravel()
    features = rng.standard_normal((n * 10, len(TREE_FEATURES))).astype(np.float32)
    features[:, 0] = signal * is_positive + rng.standard_normal(n * 10)
    ten = np.full(n, 10)
    zeros = np.zeros(n * 10, np.float32)
    return TreeRequests(features, zeros, ten, is_positive, np.ones(n, np.int64), np.repeat(np.arange(n_users), 2))


def test_products_and_scores_are_read_relative_to_the_best_of_their_request():
    features = np.zeros((5, len(FEATURES)), np.float32)
    features[:, FEATURES.index(PRODUCT)] = [2, 3, 1, 7, 5]
    columns = tree_features(features, np.array([9, 8, 7, 4, 2], np.float32), np.array([3, 2]))
    assert columns.shape == (5, len(TREE_FEATURES)) and columns.dtype == np.float32
    assert columns[:, -3:].T.tolist() == [[-1, 0, -2, 0, -2], [0, -1, -2, 0, -2], [0, 1, 2, 0, 1]]


def test_only_the_best_candidates_change_places_and_scores_fall_to_the_end(asked):
    task, scorer = asked
    scorer = replace(scorer, trees=turned(4))
    users = scorer.encode(task.histories)
    by_score = TowersRecommender(scorer, 0).rank(users, 9, task.exclude)
    served = reordered(scorer, users, by_score)
    assert np.array_equal(served.tracks[:, :4], by_score.tracks[:, 3::-1])
    assert np.array_equal(served.tracks[:, 4:], by_score.tracks[:, 4:])
    assert (np.diff(served.scores, axis=1) <= 0).all() and np.isfinite(served.scores).all()


def test_short_and_empty_lists_stay_as_long_as_they_are(asked):
    task, scorer = asked
    scorer = replace(scorer, trees=turned(4))
    users = scorer.encode(task.histories.rows(0, 3))
    tracks = np.array([[5, 6, 7, 8, 9], [5, 6, NOTHING, NOTHING, NOTHING], [NOTHING] * 5])
    scores = np.where(tracks == NOTHING, -np.inf, -np.arange(5.0)).astype(np.float32)
    served = reordered(scorer, users, Ranking(tracks, scores))
    assert served.tracks.tolist() == [[8, 7, 6, 5, 9], [6, 5, NOTHING, NOTHING, NOTHING], [NOTHING] * 5]
    assert np.array_equal(np.isfinite(served.scores), served.tracks != NOTHING)


def test_the_requests_are_the_lists_that_are_served(asked):
    task, scorer = asked
    requests = tree_requests_of(scorer, task, 30, 0)
    lists = TowersRecommender(scorer, 0).recommend(task.histories, 30, task.exclude)
    ndcg = per_user_metrics(lists, task.positives, [10])["ndcg@10"]
    has_any = np.isin(task.users, requests.user)
    assert 0 < len(requests) <= len(task.users) and ndcg[~has_any].sum() == 0
    assert requests.ndcg(requests.scores) == pytest.approx(ndcg[has_any])
    assert np.array_equal(requests.n_positives, task.positives.lengths[has_any])
    assert len(all_requests([])) == len(NO_TREE_REQUESTS) == 0


def test_trees_are_used_where_other_users_are_ranked_better():
    fit = fit_trees("discovery", learnable(300, signal=3.0), RankingSettings(), 0)
    assert fit.trees is not None and fit.facts["used"] and fit.facts["users"] == 300
    assert fit.facts["difference"] > 0.2 > 10 * fit.facts["error"]
    assert max(fit.facts["gains"], key=fit.facts["gains"].get) == TREE_FEATURES[0]
    first = next(name for name, columns in feature_groups().items() if 0 in columns)
    assert max(fit.facts["losses"], key=fit.facts["losses"].get) == first and fit.facts["losses"][first] > 0.2


def test_every_column_is_in_one_group_of_features():
    columns = sorted(number for group in feature_groups().values() for number in group)
    assert columns == list(range(len(TREE_FEATURES)))
    assert feature_groups()["towers"] == (TREE_FEATURES.index("towers below the best"),)
    assert all(TREE_FEATURES[number].startswith("track plays") for number in feature_groups()["track plays"])


def test_trees_that_learn_nothing_are_left_out_unless_they_are_asked_for():
    noise = learnable(300, signal=0.0, seed=1)
    assert fit_trees("discovery", noise, RankingSettings(), 1).trees is None
    forced = fit_trees("discovery", noise, RankingSettings(ranker="lightgbm"), 1)
    assert forced.trees is not None and forced.facts["difference"] < 2 * forced.facts["error"]


def test_few_users_tell_nothing():
    fit = fit_trees("discovery", learnable(20, signal=3.0), RankingSettings(ranker="lightgbm"), 0)
    assert fit.trees is None and fit.facts["rounds"] == 0


def test_trees_score_the_same_after_they_were_written_and_read(tmp_path):
    requests = learnable(100, signal=3.0)
    trees = fit_trees("next_listen", requests, RankingSettings(ranker="lightgbm", places=10), 0).trees
    save_trees({"next_listen": trees}, tmp_path)
    kept = load_trees(tmp_path)
    assert kept == {"next_listen": trees}
    pairs = np.random.default_rng(1).standard_normal((20, len(FEATURES))).astype(np.float32)
    scores, lengths = np.zeros(20, np.float32), np.array([10, 10])
    assert np.array_equal(
        trees.corrected(pairs, scores, lengths), kept["next_listen"].corrected(pairs, scores, lengths)
    )


@pytest.mark.parametrize("content", ["", "ten\ntree", "10\nnothing"])
def test_damaged_trees_end_in_a_sentence(tmp_path, content):
    (tmp_path / "trees.discovery.txt").write_text(content)
    with pytest.raises(ArtifactError, match="train the ranker again"):
        load_trees(tmp_path)
