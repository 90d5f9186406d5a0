from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from loopback_core.data import Events, FitData, Histories, Ragged
from loopback_core.ranking.candidates import Candidates
from loopback_core.ranking.fitting import Point, average, fit_ranker, useless_terms
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, LinearRanker
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.ranking.scorer import scorer_of
from loopback_core.ranking.terms import TERMS
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.top_k import tie_order
from loopback_core.settings import MlpSettings, TowersSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.towers.two_tower import TwoTower, Vocabulary

USERS, TRACKS = 12, 60
DAY = 86_400


def log(rng):
    """Every user plays 6 tracks of 30; all play track 0."""
    user = np.repeat(np.arange(USERS), 7)
    track = np.concatenate([[0, *rng.choice(np.arange(1, 30), 6, replace=False)] for _ in range(USERS)])
    events = Events(
        np.append(user, 0).astype(np.int32),
        np.append(track, TRACKS - 1).astype(np.int32),
        np.arange(len(user) + 1) * DAY,
    )
    artist = (np.arange(TRACKS) % 10).astype(np.int32)
    return FitData(events, count_catalog(events, artist), len(user) * DAY)


def task_of(data, name, positives, exclude=None):
    users = np.arange(USERS)
    rows = Ragged.from_pairs(
        np.repeat(users, [len(row) for row in positives]), np.concatenate(positives).astype(np.int64), USERS
    )
    return Task(name, users, Histories.of(data.events, users, data.now), rows, exclude, data, data.catalog.artist, 0.0)


@pytest.fixture
def data():
    return log(np.random.default_rng(0))


@pytest.fixture
def model(data):
    torch.manual_seed(0)
    shape = TowersSettings(mlp=MlpSettings(id_dim=4, hidden_dim=8), output_dim=4)
    return TwoTower(Vocabulary(USERS, TRACKS, 10), shape).eval()


def point(**terms):
    """term=weight, or term=(weight, half-life in days)."""
    weights, half_lives = [], []
    for term in TERMS:
        given = terms.get(term.name, 0.0)
        weight, days = given if isinstance(given, tuple) else (given, term.first_half_life)
        weights.append(weight)
        half_lives.append(days)
    return Point(tuple(weights), tuple(half_lives))


def weight(ranker, name):
    return sum(value for _, value in dict(ranker.weights).get(name, ()))


def ndcg(scorer, task):
    ranking = TowersRecommender(scorer, 0).recommend(task.histories, 100, task.exclude)
    return np.mean([per_user_metrics(ranking, task.positives, [k])[f"ndcg@{k}"].mean() for k in (10, 100)])


def played(data, user):
    return np.unique(data.events.track[data.events.user == user])


def test_the_mean_of_some_points_gives_the_mean_of_their_scores(data, model):
    task = task_of(data, "next_listen", [played(data, user)[:3] for user in range(USERS)])
    scorer = scorer_of(task, model)
    points = [point(popularity=1, track=(2, 7.0)), point(trend=3, track=4), point(artist=(1, 0.0))]

    def scores(ranker):
        ranking = TowersRecommender(replace(scorer, ranker=ranker), 0).recommend(task.histories, TRACKS, None)
        return np.take_along_axis(ranking.scores, np.argsort(ranking.tracks, axis=1), axis=1)

    expected = np.mean([scores(one.ranker()) for one in points], axis=0)
    np.testing.assert_allclose(scores(average(points)), expected, rtol=1e-4)
    assert dict(average(points).weights)["track"] == ((7.0, 2 / 3), (30.0, 4 / 3))


def test_users_who_repeat_tracks_are_served_their_tracks(data, model):
    task = task_of(data, "next_listen", [played(data, user) for user in range(USERS)])
    ranker = fit_ranker([(scorer_of(task, model), task)], 0, max_amplification=10.0)
    assert weight(ranker, "track") > 0
    assert ndcg(scorer_of(task, model, ranker), task) > 0.95 > ndcg(scorer_of(task, model), task) + 0.3


def test_users_who_repeat_artists_are_served_tracks_of_their_artists(data, model):
    histories = [played(data, user) for user in range(USERS)]
    exclude = Ragged.from_pairs(
        np.repeat(np.arange(USERS), [len(row) for row in histories]), np.concatenate(histories).astype(np.int64), USERS
    )
    new = [
        np.array([t for t in range(30, TRACKS - 1) if t % 10 in set(mine % 10) and t not in mine]) for mine in histories
    ]
    task = task_of(data, "discovery", new, exclude)
    ranker = fit_ranker([(scorer_of(task, model), task)], 0, max_amplification=10.0)
    assert weight(ranker, "artist") > 0 and weight(ranker, "track") == 0
    assert ndcg(scorer_of(task, model, ranker), task) > ndcg(scorer_of(task, model), task) + 0.1


def test_users_who_move_to_related_artists_are_served_tracks_of_those(data, model):
    """Who hears artist a goes on to artist a + 5."""
    near = RelatedArtists(np.arange(10), np.roll(np.eye(10, dtype=np.float32), 5, axis=1))
    mine = [played(data, user) for user in range(USERS)]
    new = [np.array([t for t in range(30, TRACKS - 1) if (t + 5) % 10 in set(tracks % 10)]) for tracks in mine]
    task = task_of(data, "next_listen", new)
    ranker = fit_ranker([(scorer_of(task, model, related=near), task)], 0, max_amplification=10.0)
    assert weight(ranker, "related") > 0
    assert ndcg(scorer_of(task, model, ranker, related=near), task) > ndcg(scorer_of(task, model), task) + 0.1


def test_the_candidates_are_scored_as_the_recommender_does(data, model):
    task = task_of(data, "next_listen", [played(data, user)[:3] for user in range(USERS)])
    scorer = scorer_of(task, model, related=RelatedArtists.learn(data, 8))
    candidates = Candidates(scorer, task, 0)
    terms = {
        "popularity": {0.0: 1},
        "trend": {0.0: 0.5},
        "track": {7.0: 2, 0.0: 1},
        "artist": {0.0: 4},
        "related": {0.0: 2},
    }
    for ranker in (TOWERS_ALONE, LinearRanker.of(terms), LinearRanker.of({"related": {0.0: 1.0}})):
        assert candidates.measure(ranker)[0].mean() == pytest.approx(ndcg(replace(scorer, ranker=ranker), task))


def test_of_many_related_tracks_the_highest_by_either_order_are_candidates(data, model, monkeypatch):
    """Every artist is related to every other one, and there are more tracks than the pool holds."""
    monkeypatch.setattr("loopback_core.ranking.candidates.POOL", 5)
    everything = RelatedArtists(np.arange(10), 1 - np.eye(10, dtype=np.float32))
    mine = [played(data, user)[:3] for user in range(USERS)]
    out = Ragged(np.arange(USERS + 1) * 3, np.concatenate(mine).astype(np.int64))
    task = task_of(data, "discovery", [np.array([50 + user % 9]) for user in range(USERS)], out)
    scorer = scorer_of(task, model, related=everything)
    candidates = Candidates(scorer, task, 0)
    place = {place: track for track, place in enumerate(tie_order(TRACKS, 0))}
    users, lift = scorer.users(task.histories), everything.of(task.histories, data.catalog.artist)
    for user, (low, high) in enumerate(pairwise(candidates.ends)):
        found = {place[rank] for rank in candidates.tie_rank[low:high]}
        assert not found & set(mine[user])
        added = np.zeros(10)
        added[lift.items[lift.row == user]] = lift.weights[lift.row == user, 0]
        for score in (scorer.vectors @ users[user], scorer.catalog_values[:, 0]):
            total = np.where(added[data.catalog.artist] > 0, score + added[data.catalog.artist], -np.inf)
            total[mine[user]] = -np.inf
            assert set(np.flatnonzero(total > np.sort(total)[-6])) <= found  # of equal ones any


def test_popularity_is_not_amplified_beyond_what_is_allowed(data, model):
    task = task_of(data, "next_listen", [np.array([0, 30 + user]) for user in range(USERS)])

    def first_ten(limit):
        ranker = fit_ranker([(scorer_of(task, model), task)], 0, max_amplification=limit)
        ranking = TowersRecommender(scorer_of(task, model, ranker), 0).recommend(task.histories, 10, None)
        return data.catalog.listeners[ranking.tracks].mean()

    listeners = data.catalog.listeners
    positives = np.mean([listeners[task.positives[user]].mean() for user in range(USERS)])
    assert first_ten(0.5) <= 0.5 * positives < first_ten(100.0)


def test_terms_that_say_nothing_stay_out(data, model):
    task = task_of(data, "next_listen", [np.array([1])] * USERS)
    scorer, excluded = scorer_of(task, model), Ragged(np.zeros(USERS + 1, np.int64), np.zeros(0, np.int64))
    near = replace(scorer, knowledge=replace(scorer.knowledge, related=RelatedArtists.learn(data, 10)))
    assert useless_terms(scorer, task) == ["related"] and useless_terms(near, task) == []
    assert useless_terms(near, replace(task, exclude=excluded)) == ["track"]
    assert useless_terms(near, replace(task, first_candidate=60)) == ["popularity", "trend", "track"]


def test_without_users_to_score_the_towers_are_served_alone(data, model):
    task = task_of(data, "next_listen", [np.array([1])] * USERS)
    no_users = task.sampled(0, 0)
    assert fit_ranker([(scorer_of(no_users, model), no_users)], 0, 1.0) == TOWERS_ALONE
