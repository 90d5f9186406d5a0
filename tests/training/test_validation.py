from types import SimpleNamespace

import numpy as np
import pytest
import torch

from loopback_core.data import Events, FitData
from loopback_core.settings import EvaluationSettings, MlpSettings, Settings, TowersSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.period import Period
from loopback_core.tasks.task_builders import discovery
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.validation import Validation

ARTIST = np.arange(40, dtype=np.int32) % 5


def events_of(rows):
    user, track = np.array(rows, np.int32).T
    return Events(user, track, np.arange(len(rows), dtype=np.int64))


def splits_of(train, validation):
    train = events_of(train)
    tuning = FitData(train, count_catalog(train, ARTIST), len(train))
    period = Period(tuning, events_of(validation), np.unique(train.user), ARTIST)
    return SimpleNamespace(tuning=tuning, tuning_period=period)


def scores_of(model):
    """(2 users, 40 tracks)"""
    with torch.no_grad():
        users = model.users(UserInputs(torch.arange(2)))
        return (users @ model.tracks(TrackInputs(torch.arange(40), torch.arange(40) % 5)).T).numpy()


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TwoTower(Vocabulary(2, 40, 5), TowersSettings(mlp=MlpSettings(id_dim=4, hidden_dim=8), output_dim=4)).eval()


def test_validation_scores_new_tracks_in_discovery_and_all_of_them_in_next_listen(model):
    train = [(track % 2, track) for track in range(40)]  # user 0 plays the even tracks, user 1 the odd ones
    heard = [(0, track) for track in range(8)] + [(1, track) for track in range(20, 30)]
    once = Settings(evaluation=EvaluationSettings(tuning_users=2))  # enough users at the first moment
    values = Validation(splits_of(train, heard).tuning_period, once)(model)

    recalls = {"discovery": [], "next_listen": []}
    for user, tracks in [(0, range(8)), (1, range(20, 30))]:
        order = np.argsort(-scores_of(model)[user])
        new = [track for track in order if track % 2 != user]
        unheard = [track for track in tracks if track % 2 != user]
        recalls["discovery"].append(len(set(new[:10]) & set(unheard)) / len(unheard))
        recalls["next_listen"].append(len(set(order[:10]) & set(tracks)) / len(tracks))
    assert 0 < np.mean(recalls["discovery"]) < 1
    assert values["discovery/recall@10"] == pytest.approx(np.mean(recalls["discovery"]))
    assert values["next_listen/recall@10"] == pytest.approx(np.mean(recalls["next_listen"]))
    product = values["discovery/recall@10"] * values["next_listen/recall@10"]
    assert values["tasks/recall@10"] == pytest.approx(product**0.5)


def test_a_task_without_users_to_score_is_zero_in_every_metric(model):
    train = [(track % 2, track) for track in range(40)]
    values = Validation(splits_of(train, [(0, 2)]).tuning_period, Settings())(model)  # nothing new
    discovery = {name: value for name, value in values.items() if name.startswith("discovery/")}
    assert set(discovery.values()) == {0.0}
    for task in ("next_listen", "tasks"):
        assert {name.replace("discovery", task) for name in discovery} <= values.keys()
    assert values["next_listen/recall@100"] == values["tasks/recall@100"] == 1.0  # of the tasks that have users


def test_few_users_are_asked_at_several_moments(model):
    train = [(track % 2, track) for track in range(40)]
    heard = [(0, 1), (1, 0), (0, 3), (1, 2), (0, 5), (1, 4), (0, 7), (1, 6)]
    period = splits_of(train, heard).tuning_period
    values = Validation(period, Settings())(model)
    recalls = []
    for share in (0.0, 0.25, 0.5):  # as many moments as there are
        task = discovery(period.after(share))
        order = np.argsort(-scores_of(model), axis=1)
        for user, positives, known in zip(task.users, task.positives, task.exclude, strict=True):
            new = [track for track in order[user] if track not in known]
            recalls.append(len(set(new[:10]) & set(positives.tolist())) / len(positives))
    assert values["discovery/recall@10"] == pytest.approx(np.mean(recalls))
