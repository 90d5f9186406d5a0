from dataclasses import replace

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from loopback_core.data import Events, FitData, Histories, Ragged
from loopback_core.ranking import fit_requests
from loopback_core.ranking.fit_requests import NO_REQUESTS, requests_of
from loopback_core.ranking.fitting import fit_ranker, sign_bounds
from loopback_core.ranking.linear_ranker import FEATURES, TOWERS_ALONE, TRACK_FEATURES, LinearRanker, popular
from loopback_core.ranking.listwise import FitRequests
from loopback_core.ranking.related_artists import RelatedArtists
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import scorer_of
from loopback_core.ranking.terms import Knowledge, Listened
from loopback_core.ranking.terms.steps_terms import STEPS, ArtistStepsTerm, TrackStepsTerm
from loopback_core.recommenders.towers_recommender import TowersRecommender
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


def fitted(scorer, task):
    return fit_ranker(task.name, requests_of(scorer, task, 0), 0).ranker


def weight_of(ranker, part):
    return sum(value for name, value in ranker.weights if part in name)


def ndcg(scorer, task):
    ranking = TowersRecommender(scorer, 0).recommend(task.histories, 10, task.exclude)
    return per_user_metrics(ranking, task.positives, [10])["ndcg@10"].mean()


def played(data, user):
    return np.unique(data.events.track[data.events.user == user])


def test_users_who_repeat_tracks_are_served_their_tracks(data, model):
    task = task_of(data, "next_listen", [played(data, user) for user in range(USERS)])
    ranker = fitted(scorer_of(task, model), task)
    assert weight_of(ranker, "track") > 0
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
    ranker = fitted(scorer_of(task, model), task)
    assert weight_of(ranker, "artist") > 0
    assert not set(dict(ranker.weights)) & set(TRACK_FEATURES)  # what was played is no candidate
    assert ndcg(scorer_of(task, model, ranker), task) > ndcg(scorer_of(task, model), task) + 0.1


def test_users_who_move_to_related_artists_are_served_tracks_of_those(data, model):
    """Who hears artist a goes on to artist a + 5."""
    near = Relations(RelatedArtists(np.arange(10), np.roll(np.eye(10, dtype=np.float32), 5, axis=1)))
    mine = [played(data, user) for user in range(USERS)]
    new = [np.array([t for t in range(30, TRACKS - 1) if (t + 5) % 10 in set(tracks % 10)]) for tracks in mine]
    task = task_of(data, "next_listen", new)
    ranker = fitted(scorer_of(task, model, relations=near), task)
    assert weight_of(ranker, "related") > 0
    assert ndcg(scorer_of(task, model, ranker, relations=near), task) > ndcg(scorer_of(task, model), task) + 0.1


def test_weights_keep_their_signs(data, model):
    """Positives are what the user does not know: weights that would be negative are 0."""
    unknown = [np.setdiff1d(np.arange(TRACKS), played(data, user)) for user in range(USERS)]
    task = task_of(data, "next_listen", unknown)
    ranker, bounds = fitted(scorer_of(task, model), task), sign_bounds()
    weights = ranker.of_features(FEATURES)
    assert (weights >= bounds.low).all() and (weights <= bounds.high).all()
    for name in ("towers", "track plays", popular("artist plays 7d")):
        assert bounds.low[FEATURES.index(name)] == 0
    for name in ("days since track", popular("listens since artist")):
        assert bounds.high[FEATURES.index(name)] == 0
    assert weights[FEATURES.index("track known")] < 0


def test_the_same_seed_gives_the_same_weights(data, model):
    task = task_of(data, "next_listen", [played(data, user)[:3] for user in range(USERS)])
    first, second = (fitted(scorer_of(task, model), task) for _ in range(2))
    assert first.weights == second.weights and first.standardised == second.standardised


def test_the_features_of_a_request_are_those_of_its_served_score(data, model):
    """The weighted sum over the features of a candidate is the score that the recommender gives it."""
    task = task_of(data, "next_listen", [played(data, user)[:3] for user in range(USERS)])
    scorer = scorer_of(task, model, relations=Relations.learn(data, 8, 5))
    asked = requests_of(scorer, task, 0)
    ranker = fitted(scorer, task)
    scores = asked.features @ ranker.of_features(FEATURES)
    ranking = TowersRecommender(replace(scorer, ranker=ranker), 0).recommend(task.histories, TRACKS, None)
    ends = np.cumsum(asked.lengths)
    for row, (low, high) in enumerate(zip(ends - asked.lengths, ends, strict=True)):
        served = ranking.scores[row]
        assert high - low <= TRACKS
        for score, is_positive in zip(scores[low:high], asked.is_positive[low:high], strict=True):
            assert np.abs(served - score).min() < 1e-3
            tracks = ranking.tracks[row][np.abs(served - score) < 1e-3]
            assert not is_positive or np.isin(tracks, task.positives[row]).any()


def test_negatives_are_drawn_and_positives_are_all_there(data, model, monkeypatch):
    monkeypatch.setattr(fit_requests, "NEGATIVES", 7)
    task = task_of(data, "next_listen", [played(data, user)[:3] for user in range(USERS)])
    asked = requests_of(scorer_of(task, model), task, 0)
    assert asked.lengths.tolist() == [10] * USERS and int(asked.is_positive.sum()) == 3 * USERS
    assert np.array_equal(asked.user, task.users)


def test_without_users_to_score_the_towers_are_served_alone(data, model):
    task = task_of(data, "next_listen", [np.array([1])] * USERS)
    no_users = task.sampled(0, 0)
    assert fitted(scorer_of(no_users, model), no_users) == TOWERS_ALONE


def test_the_weights_do_not_depend_on_the_threads_of_the_blas():
    rng = np.random.default_rng(0)
    lengths = np.full(200, 150)
    features = rng.random((lengths.sum(), len(FEATURES)), np.float32)
    is_positive = rng.random(len(features)) < features[:, 1] / 10
    is_positive[np.cumsum(lengths) - 1] = True
    requests = FitRequests(features, lengths, is_positive, np.arange(len(lengths)))
    rankers = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, "blas"):
            rankers.append(fit_ranker("discovery", requests, 0).ranker.as_json())
    assert rankers[0] == rankers[1] == rankers[2]


def rounds_of(rng, length, users, noise):
    """Requests of users who play `length` tracks in turn, at some place of the round; `noise`: in no order."""
    column = {name: place for place, name in enumerate(FEATURES)}
    features, positive = [], []
    for _ in range(users):
        ago = np.arange(length) if not noise else rng.permutation(length)
        of_user = np.zeros((length, len(FEATURES)), np.float32)
        of_user[:, column["track known"]] = 1
        of_user[:, column["listens since track"]] = np.log1p(ago)
        for place, listens in enumerate(ago):
            step = np.searchsorted(STEPS, listens, side="right") - 1
            of_user[place, column[TrackStepsTerm.features[step]]] = 1
        features.append(of_user)
        likely = np.arange(length) if noise else ago
        positive.append((likely >= 4) & (likely < 8))
    return FitRequests(
        np.concatenate(features), np.full(users, length), np.concatenate(positive), np.arange(users, dtype=np.int64)
    )


def test_steps_are_read_where_playlists_come_round_and_not_where_they_say_nothing():
    rng = np.random.default_rng(0)
    steps = set(TrackStepsTerm.features)
    ranker = fit_ranker("next_listen", rounds_of(rng, 40, 60, noise=False), 0).ranker
    weights = dict(ranker.weights)
    assert max(steps, key=lambda name: weights.get(name, 0)) == "track, listens ago: 4 to 7"
    noise = fit_ranker("next_listen", rounds_of(rng, 40, 60, noise=True), 0).ranker
    assert not steps & dict(noise.weights).keys()


def test_an_earlier_ranker_is_left_where_many_users_contradict_it():
    rng = np.random.default_rng(0)
    earlier = fit_ranker("next_listen", rounds_of(rng, 40, 200, noise=False), 0).ranker
    step = "track, listens ago: 4 to 7"
    assert dict(earlier.weights)[step] > 1
    fit = fit_ranker(
        "next_listen", rounds_of(rng, 40, 200, noise=True), 0, earlier
    )  # what followed then no longer does
    other = fit.ranker
    assert abs(dict(other.weights).get(step, 0)) < 0.1 * dict(earlier.weights)[step]


def test_without_requests_or_of_few_users_the_earlier_ranker_stays():
    rng = np.random.default_rng(0)
    earlier = LinearRanker.of({"towers": 1.0, "track known": 2.0, "listens since track": -0.5})
    assert fit_ranker("next_listen", NO_REQUESTS, 0, earlier).ranker == earlier
    few = dict(fit_ranker("next_listen", rounds_of(rng, 40, 5, noise=False), 0, earlier).ranker.weights)
    assert few["listens since track"] == pytest.approx(-0.5, abs=0.05)
    assert few["towers"] == 1 and few["track known"] == 2  # they order nothing in these requests


def test_the_step_of_a_track_is_that_of_its_last_listen():
    #        7 is heard last, 5 two listens ago, 9 four; 5 and 9 were heard before too.
    tracks = np.array([5, 9, 9, 5, 6, 7])
    histories = Histories(
        np.array([0]), Ragged(np.array([0, 6]), tracks), np.arange(6, dtype=np.int64), np.array([9], np.int64), None
    )
    events = Events(np.zeros(10, np.int32), np.arange(10, dtype=np.int32), np.arange(10, dtype=np.int64))
    knowledge = Knowledge(count_catalog(events, np.arange(10, dtype=np.int32) // 5))
    listened = Listened(histories, knowledge)
    of_tracks, of_artists = (term().bag(listened) for term in (TrackStepsTerm, ArtistStepsTerm))
    assert [STEPS[place] for place in of_tracks.weights.argmax(axis=1)] == [2, 1, 0, 2]  # 5, 6, 7, 9
    assert of_tracks.weights.sum(axis=1).tolist() == [1, 1, 1, 1]
    assert of_artists.items.tolist() == [1]
    assert of_artists.weights[0, 0] == 1
    assert TrackStepsTerm.features[0] == "track, listens ago: 0"
    assert ArtistStepsTerm.features[-1] == "artist, listens ago: 1024 or more"
