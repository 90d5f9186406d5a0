"""Training and serving read the same features: the served score of a pair is the weighted sum of its pair features."""

from dataclasses import replace

import numpy as np
import torch
from planted_log import planted_splits

from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.ranking.pair_features import EVERY_FEATURE, pair_features, personal_features
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.ranking.scorer import scorer_of
from loopback_core.ranking.terms import CATALOG_TERMS, PERSONAL_TERMS, TERMS
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.settings import TowersSettings
from loopback_core.tasks.task_builders import next_listen
from loopback_core.towers.two_tower import TwoTower, Vocabulary


def test_the_served_score_is_the_weighted_sum_of_the_features_of_the_pair(tmp_path):
    splits = planted_splits(tmp_path)
    task = next_listen(splits.tuning_period).sampled(6, 0)
    catalog = task.fit.catalog
    torch.manual_seed(0)
    model = TwoTower(
        Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), TowersSettings(output_dim=8)
    ).eval()
    weights = {
        term.name: {days: 0.25 + place + number for number, days in enumerate(term.half_lives or (0.0,))}
        for place, term in enumerate(TERMS)
    }
    scorer = scorer_of(task, model, LinearRanker.of(weights), related=RelatedArtists.learn(task.fit, 100))
    served = TowersRecommender(scorer, 0).recommend(task.histories, catalog.n_tracks, None)
    towers = TowersRecommender(replace(scorer, ranker=LinearRanker()), 0).recommend(
        task.histories, catalog.n_tracks, None
    )

    row, place = np.nonzero(served.tracks >= 0)
    track = served.tracks[row, place]
    features = personal_features(task.histories, scorer.knowledge, EVERY_FEATURE)
    expected = np.zeros((len(task.users), catalog.n_tracks))
    expected[np.nonzero(towers.tracks >= 0)[0], towers.tracks.ravel()] = towers.scores.ravel()
    expected = expected[row, track]
    for column, term in enumerate(CATALOG_TERMS):
        expected += weights[term.name][0.0] * scorer.catalog_values[track, column]
    for term in PERSONAL_TERMS:
        values = pair_features(term, features[term.name], row, track, catalog.artist[track].astype(np.int64))
        assert values.any()
        expected += values @ np.array([weights[term.name][days] for days in EVERY_FEATURE[term.name]])
    np.testing.assert_allclose(served.scores[row, place], expected, rtol=1e-4, atol=1e-3)
