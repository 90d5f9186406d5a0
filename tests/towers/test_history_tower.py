import numpy as np
import pytest
import torch
import torch.nn.functional as F

from loopback_core.data import Histories, Ragged
from loopback_core.features.track_content import TrackContent
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.settings import HstuSettings, PooledSettings, TowersSettings
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.towers.user import ANYTHING, ONLY_NEW

SHAPE = TowersSettings(
    user_encoder="pooled",
    track_encoder="sum",
    output_dim=8,
    pooled=PooledSettings(artist_half_lives=[0], artist_powers=[1], track_half_lives=[0, 1], track_powers=[1, 1]),
)
ARTIST = np.array([0, 0, 1, 2, 2, 9], np.int32)  # artist 9 is beyond the weights
DAY = 86_400


def shape_of(pooled, **hstu):
    settings = HstuSettings(window=2, heads=2, **hstu)
    return SHAPE.model_copy(update={"user_encoder": "hstu", "pooled": pooled, "hstu": settings})


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TwoTower(Vocabulary(n_users=3, n_tracks=4, n_artists=3), SHAPE, sparse=True).eval()


def histories(*rows):
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    tracks = np.array([track for row in rows for track in row], np.int64)
    ragged = Ragged.from_pairs(numbers, tracks, len(rows))
    return Histories(np.full(len(rows), -1), ragged, np.zeros(len(tracks), np.int64), np.full(len(rows), DAY))


def test_a_user_is_the_gated_sum_of_the_played_items(model):
    artists, tracks = model.tracks.artist.weight, model.tracks.track.weight
    with torch.no_grad():
        model.users.track_gates[ONLY_NEW, 1] = 3.0
        model.users.intents[ONLY_NEW, 0] = 0.25
        # artist 0 twice and artist 1 once; both scales of the tracks weigh the same, after they were made of unit length
        of_artists = (2 * artists[0] + artists[1]) / 5**0.5
        of_tracks = (tracks[0] + tracks[1] + tracks[2]) / 3**0.5
        expected = F.normalize(of_artists + of_tracks * (0.5 + 3.0) + model.users.intents[ONLY_NEW], dim=0)
        plain = F.normalize(of_artists + of_tracks, dim=0)
    found = user_vectors(model, histories([0, 1, 2]), ARTIST, ONLY_NEW)[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(user_vectors(model, histories([0, 1, 2]), ARTIST, ANYTHING)[0], plain.numpy(), atol=1e-6)


def test_the_id_of_the_user_does_not_matter(model):
    known = histories([0, 2])
    stranger = Histories(np.array([1]), known.tracks, known.timestamps, known.now)
    assert np.array_equal(user_vectors(model, known, ARTIST), user_vectors(model, stranger, ARTIST))


def test_an_unknown_track_is_read_by_its_artist_and_one_of_an_unknown_artist_is_ignored(model):
    with torch.no_grad():
        expected = model.tracks.artist.weight[2].numpy()
    np.testing.assert_allclose(
        user_vectors(model, histories([4]), ARTIST)[0], expected / np.linalg.norm(expected), atol=1e-6
    )
    with_strangers = user_vectors(model, histories([0, 5, 77], [0]), ARTIST)
    np.testing.assert_allclose(with_strangers[0], with_strangers[1], atol=1e-6)


def test_a_user_without_known_listens_gets_the_vector_of_the_intent(model):
    with torch.no_grad():
        model.users.intents[ONLY_NEW] = torch.arange(8.0)
    vectors = user_vectors(model, histories([], [5], [0]), ARTIST, ONLY_NEW)
    expected = np.arange(8) / np.linalg.norm(np.arange(8))
    np.testing.assert_allclose(vectors[:2], [expected, expected], atol=1e-6)
    assert not np.allclose(vectors[2], expected)


def test_before_training_an_artist_lies_nearest_to_the_users_who_play_it(model):
    vectors = track_vectors(model, TrackContent(ARTIST))
    users = user_vectors(model, histories([0, 1], [2], [3]), ARTIST)
    assert ARTIST[np.argmax(users @ vectors[:4].T, axis=1)].tolist() == [0, 1, 2]


def test_a_track_that_the_weights_do_not_know_has_the_vector_of_its_artist(model):
    vectors = track_vectors(model, TrackContent(ARTIST))
    with torch.no_grad():
        expected = F.normalize(model.tracks.artist.weight[2], dim=0).numpy()
    np.testing.assert_allclose(vectors[4], expected, atol=1e-6)


def test_training_leaves_out_some_of_the_tracks_own_vectors_and_of_a_history(model):
    inputs = TrackInputs(torch.zeros(400, dtype=torch.long), torch.zeros(400, dtype=torch.long))
    torch.manual_seed(1)
    with torch.no_grad():
        vectors = model.train().tracks(inputs)
        alone = F.normalize(model.tracks.artist.weight[0], dim=0)
    dropped = torch.isclose(vectors, alone, atol=1e-6).all(dim=1).float().mean().item()
    assert dropped == pytest.approx(SHAPE.sum.id_dropout, abs=0.06)


def test_the_tables_are_saved_once_and_read_back(model, tmp_path):
    model.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    assert sum("weight" in name for name in loaded.state_dict()) == 2
    users = histories([0, 1, 2], [])
    assert np.array_equal(user_vectors(loaded, users, ARTIST), user_vectors(model, users, ARTIST))


@pytest.mark.parametrize("own_tables", [False, True])
def test_the_order_of_the_last_listens_matters_to_an_encoder_and_what_lies_before_its_window_to_the_pools_alone(
    own_tables,
):
    shape = shape_of(SHAPE.pooled, own_tables=own_tables)
    vocabulary = Vocabulary(n_users=3, n_tracks=4, n_artists=3)
    torch.manual_seed(0)
    made = TwoTower(vocabulary, shape, sparse=True).eval()
    one, other = user_vectors(made, histories([2, 0, 3], [2, 3, 0]), ARTIST)
    assert not np.allclose(one, other)
    without_pools = TwoTower(
        vocabulary, shape_of(SHAPE.pooled.model_copy(update={"listens": 0}), own_tables=own_tables), sparse=True
    ).eval()
    one, other, longer = user_vectors(without_pools, histories([2, 0], [0, 2], [3, 1, 2, 0]), ARTIST)
    assert not np.allclose(one, other)
    # listens of one moment each, so that hour and gap tell nothing apart but the first listen of all
    np.testing.assert_allclose(one, longer, atol=1e-6)


@pytest.mark.parametrize("own_tables", [False, True])
def test_an_empty_history_is_answered_by_the_intent_and_the_context(own_tables):
    shape = shape_of(SHAPE.pooled.model_copy(update={"context": True, "demographics": True}), own_tables=own_tables)
    made = TwoTower(Vocabulary(n_users=3, n_tracks=4, n_artists=3), shape).eval()
    with torch.no_grad():
        made.users.intents[:, 0] = 1.0
        made.users.parts[0].codes.vectors.weight[:, 1] = 1.0
    found = user_vectors(made, histories([]), ARTIST)[0]
    np.testing.assert_allclose(found, np.array([1, 3, 0, 0, 0, 0, 0, 0]) / 10**0.5, atol=1e-6)
