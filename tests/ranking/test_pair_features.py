"""Training and serving read the same features: the served score of a pair is the weighted sum of its pair features."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_log import planted_splits

from loopback_core.data import SECONDS_PER_DAY, Events
from loopback_core.ranking.linear_ranker import FEATURES, TOWERS_ALONE, LinearRanker
from loopback_core.ranking.pair_features import pair_features, personal_bags
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import scorer_of
from loopback_core.ranking.terms import Listened
from loopback_core.ranking.terms.popularity_terms import AgeTerm
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.settings import TowersSettings
from loopback_core.tasks.task_builders import next_listen
from loopback_core.towers.two_tower import TwoTower, Vocabulary


@pytest.fixture
def splits(tmp_path):
    return planted_splits(tmp_path)


def towers_of(catalog):
    torch.manual_seed(0)
    vocabulary = Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists)
    return TwoTower(vocabulary, TowersSettings(output_dim=8)).eval()


def features_of(scorer, task, row, track):
    """(n, FEATURES but the towers)."""
    bags = personal_bags(Listened(task.histories, scorer.knowledge))
    artist = scorer.candidate_artist[track].astype(np.int64)
    personal = pair_features(bags, row, track, artist, scorer.popularity[track])
    return np.concatenate([scorer.catalog_values[track], personal], axis=1)


def test_the_served_score_is_the_weighted_sum_of_the_features_of_the_pair(splits):
    task = next_listen(splits.tuning_period).sampled(6, 0)
    catalog = task.fit.catalog
    ranker = LinearRanker.of({name: 0.25 + place / 50 for place, name in enumerate(FEATURES)})
    scorer = scorer_of(task, towers_of(catalog), ranker, relations=Relations.learn(task.fit, 100, 20))
    served = TowersRecommender(scorer, 0).recommend(task.histories, catalog.n_tracks, None)
    alone = replace(scorer, ranker=TOWERS_ALONE)
    towers = TowersRecommender(alone, 0).recommend(task.histories, catalog.n_tracks, None)

    row, place = np.nonzero(served.tracks >= 0)
    track = served.tracks[row, place]
    product = np.zeros((len(task.users), catalog.n_tracks))
    product[np.nonzero(towers.tracks >= 0)[0], towers.tracks.ravel()] = towers.scores.ravel()
    values = np.concatenate([product[row, track][:, None], features_of(scorer, task, row, track)], axis=1)
    silent = {name for name, says in zip(FEATURES, values.any(axis=0), strict=True) if not says}
    # No history has 64 listens, and every track is played twice in a row: no listen but the last is the last of its track.
    assert all(re.fullmatch(r"(track|artist), listens ago: (1|(64|128|256|512|1024) .*)", name) for name in silent)
    expected = values @ ranker.of_features(FEATURES)
    np.testing.assert_allclose(served.scores[row, place], expected, rtol=1e-4, atol=1e-3)


def test_nothing_after_the_moment_changes_a_feature(splits):
    """What is played after a moment, shuffled among users and tracks: every feature keeps every bit."""
    period, share = splits.tuning_period, 0.4
    late = np.arange(len(period.held_out)) >= int(share * len(period.held_out))
    rng = np.random.default_rng(0)
    held_out = period.held_out
    user, track = held_out.user.copy(), held_out.track.copy()
    user[late], track[late] = rng.permutation(user[late]), rng.permutation(track[late])
    other = replace(period, held_out=Events(user, track, held_out.timestamp))
    model = towers_of(period.fit.catalog)
    relations = Relations.learn(period.fit, 100, 20)
    made = []
    for version in (period, other):
        task = next_listen(version.after(share))
        n = task.n_candidates
        row, candidate = np.repeat(np.arange(len(task.users)), n), np.tile(np.arange(n), len(task.users))
        scorer = scorer_of(task, model, relations=relations)
        values = features_of(scorer, task, row, candidate).reshape(len(task.users), n, -1)
        made.append(dict(zip(task.users.tolist(), zip(scorer.users(task.histories), values, strict=True), strict=True)))
    assert len(made[0]) > 50 and len(held_out.user) > late.sum() > 0
    for who in made[0].keys() & made[1].keys():
        for first, second in zip(made[0][who], made[1][who], strict=True):
            assert first.tobytes() == second.tobytes()


def test_days_make_no_difference_in_age_to_what_months_and_years_do(splits):
    data = splits.tuning
    days = np.array([0, 7, 30, 365])
    first_seen = np.full(data.catalog.n_tracks, data.now)
    first_seen[: len(days)] = data.now - days * SECONDS_PER_DAY
    age = AgeTerm().values(replace(data, catalog=replace(data.catalog, first_seen=first_seen)))[: len(days), 0]
    assert age == pytest.approx(np.log1p(days / 30), abs=1e-5)
    assert age[1] - age[0] < 0.15 * (age[3] - age[2])
