import numpy as np
import pytest
import torch

from loopback_core.data import Histories, Ragged
from loopback_core.features.track_content import TrackContent
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.user import UserInputs

ARTIST = (np.arange(23) % 6).astype(np.int32)  # tracks 20 to 22 and artists 4 and 5 are unknown to the weights


def histories(*users):
    nothing = Ragged(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.int64))
    return Histories(np.array(users, np.int64), nothing, np.zeros(0, np.int64), now=np.zeros(len(users), np.int64))


@pytest.mark.parametrize("batch_size", [1, 7, 22, 23])
def test_vectors_made_in_batches_are_those_made_at_once(towers, batch_size):
    vectors = track_vectors(towers, TrackContent(ARTIST), batch_size=batch_size)
    with torch.no_grad():
        at_once = towers.tracks(TrackInputs(torch.arange(23), torch.from_numpy(ARTIST).long())).numpy()
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, at_once, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_vectors_are_made_without_dropout(towers):
    at_rest = track_vectors(towers, TrackContent(ARTIST))
    assert np.array_equal(track_vectors(towers.train(), TrackContent(ARTIST)), at_rest)
    users = histories(0, 1)
    assert np.array_equal(user_vectors(towers.train(), users, ARTIST), user_vectors(towers.eval(), users, ARTIST))


def test_a_user_whom_the_weights_do_not_know_is_the_unknown_row(towers):
    with torch.no_grad():
        unknown = towers.users.body(towers.users.user.weight[-1:]).numpy()[0]
        third = towers.users(UserInputs(torch.tensor([3]))).numpy()[0]
    np.testing.assert_allclose(user_vectors(towers, histories(-1, 3, 5), ARTIST), [unknown, third, unknown], atol=1e-6)


def test_tracks_can_begin_anywhere_as_those_of_a_cold_start_do(towers):
    whole = track_vectors(towers, TrackContent(ARTIST))
    assert track_vectors(towers, TrackContent(ARTIST), first=18) == pytest.approx(whole[18:], abs=1e-6)
