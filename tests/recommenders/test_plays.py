from types import SimpleNamespace

import numpy as np
import pytest

from loopback_core.data import SECONDS_PER_DAY, Histories, Ragged
from loopback_core.recommenders.baselines.baseline import decay
from loopback_core.recommenders.baselines.matrices import history_plays
from loopback_core.recommenders.baselines.plays import plays_of_artists, plays_of_tracks, spread


@pytest.fixture
def asked():
    """Rows of 0 to 40 listens to tracks 0 to 29, of which 20 are known; the last listens of one row are to others."""
    rng = np.random.default_rng(0)
    lengths = np.array([40, 0, 7, 1, 25])
    tracks = rng.integers(0, 30, lengths.sum())
    tracks[40:47] = [3, 3, 5, 3, 25, 26, 27]
    days = np.concatenate([np.sort(rng.integers(0, 300, n)) for n in lengths])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    now = np.full(len(lengths), 300 * SECONDS_PER_DAY)
    return Histories(np.arange(len(lengths)), Ragged(offsets, tracks), days * SECONDS_PER_DAY, now)


def dense(plays, values, n):
    return np.stack(list(spread(plays.items, values, n)))


def test_listens_are_counted_as_in_a_matrix_of_plays(asked):
    plays = plays_of_tracks(asked, 20)
    assert len(plays) == 5 and [row.tolist() for row in map(plays.items.__getitem__, (1, 2))] == [[], [3, 5]]
    assert dense(plays, plays.count(), 20).tolist() == history_plays(asked, 20).toarray().tolist()


@pytest.mark.parametrize("half_life", [3, 10])
def test_light_listens_are_left_out_as_in_a_matrix_of_plays(asked, half_life):
    plays = plays_of_tracks(asked, 20)
    expected = history_plays(asked, 20, decay(asked.ages, half_life)).toarray()
    found = dense(plays, plays.decayed_without_the_lightest(half_life), 20)
    assert found == pytest.approx(expected, rel=1e-5)
    assert ((found > 0) == (expected > 0)).all()
    assert (dense(plays, plays.decayed(half_life), 20) > 0).sum() > (found > 0).sum()


def test_plays_of_artists_are_those_of_their_tracks_added_up(asked):
    artist = np.arange(20, dtype=np.int32) % 6
    plays = plays_of_artists(asked, SimpleNamespace(artist=artist, n_tracks=20, n_artists=7))
    expected = np.zeros((5, 7))
    np.add.at(expected.T, artist, history_plays(asked, 20).toarray().T)
    assert dense(plays, plays.count(), 7).tolist() == expected.tolist()
