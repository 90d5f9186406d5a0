import numpy as np
import pytest
import torch

from loopback_core.data import Events, FitData
from loopback_core.settings import MlpSettings, Settings, TowersSettings, TrainingSettings
from loopback_core.splits.catalog_counts import count_catalog

TINY = TowersSettings(output_dim=4, mlp=MlpSettings(id_dim=4, hidden_dim=8, dropout=0.2))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Steps this small wait for a second thread longer than they compute."""
    torch.set_num_threads(1)


def fit_data(user, track, artist_of_track):
    events = Events(np.array(user, np.int32), np.array(track, np.int32), np.arange(len(user), dtype=np.int64))
    return FitData(events, count_catalog(events, np.array(artist_of_track, np.int32)), len(user))


@pytest.fixture
def hand_log():
    """User 0 plays tracks 0 and 1 (twice), user 1 plays 1 and 2, user 2 plays 3."""
    return fit_data([0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 2, 3], [0, 0, 1, 1])


@pytest.fixture
def random_log():
    """300 listens of 12 users, 30 tracks, 6 artists."""
    rng = np.random.default_rng(0)
    user = np.concatenate([np.arange(12), rng.integers(0, 12, 288)])
    track = np.concatenate([np.arange(30), rng.integers(0, 30, 270)])
    return fit_data(user, track, np.arange(30) // 5)


@pytest.fixture
def settings_for():
    """Settings of tiny towers that train for three epochs unless told otherwise."""

    def build(optimizer="sparse", **training):
        chosen = {"epochs": 3, "patience": 3, "batch_size": 64, "learning_rate": 0.01, "validation_metric": "hits"}
        return Settings(towers=TINY, training=TrainingSettings(optimizer=optimizer, **{**chosen, **training}))

    return build
