import json
import math
import os
import pickle

import pytest
import torch

from loopback_core.errors import ArtifactError
from loopback_core.settings import MlpSettings, TowersSettings
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import SHAPE, WEIGHTS, TwoTower, Vocabulary
from loopback_core.towers.user import UserInputs

SHAPE_OF_TOWERS = TowersSettings(mlp=MlpSettings(id_dim=4, hidden_dim=8), output_dim=6)


def towers(**how):
    torch.manual_seed(0)
    return TwoTower(Vocabulary(n_users=5, n_tracks=7, n_artists=3), SHAPE_OF_TOWERS, **how).eval()


def track_inputs():
    return TrackInputs(torch.tensor([0, 6, 7, -1]), torch.tensor([0, 2, 3, 1]))


def test_both_towers_put_their_vectors_on_the_unit_sphere():
    users, tracks = towers()(UserInputs(torch.tensor([0, 4, 5, -1])), track_inputs())
    assert users.shape == tracks.shape == (4, 6)
    torch.testing.assert_close(users.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(tracks.norm(dim=1), torch.ones(4))


def test_all_unknown_users_have_one_vector_and_an_unknown_track_has_that_of_its_artist():
    model = towers()
    users = model.users(UserInputs(torch.tensor([-1, 5, 1000, 0])))
    assert torch.equal(users[0], users[1]) and torch.equal(users[0], users[2]) and not torch.equal(users[0], users[3])
    tracks = model.tracks(TrackInputs(torch.tensor([7, -1, 7, 7]), torch.tensor([0, 0, 1, 99])))
    assert torch.equal(tracks[0], tracks[1])
    assert not torch.equal(tracks[0], tracks[2]) and not torch.equal(tracks[0], tracks[3])


def test_the_artist_takes_part_in_a_known_track():
    known = towers().tracks(TrackInputs(torch.tensor([2, 2]), torch.tensor([0, 1])))
    assert not torch.equal(known[0], known[1])


def test_the_temperature_starts_where_it_is_set():
    assert towers(temperature=0.25).inverse_temperature().item() == pytest.approx(4)


def test_the_inverse_temperature_stays_within_its_bound_and_can_leave_it():
    model = towers(temperature=0.001, max_inverse_temperature=20.0)
    assert model.inverse_temperature().item() == pytest.approx(20)
    with torch.no_grad():
        model.log_inverse_temperature.copy_(torch.tensor(math.log(500)))
    model.bound_temperature()
    assert model.inverse_temperature().item() == pytest.approx(20)
    model.inverse_temperature().backward()  # a clamped value would have no gradient to come back by
    assert model.log_inverse_temperature.grad.item() == pytest.approx(20)


def test_what_is_loaded_is_what_was_saved_bit_for_bit(tmp_path):
    model = towers(temperature=0.05, max_inverse_temperature=30.0, sparse=True)
    model.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    assert loaded.vocabulary == model.vocabulary
    assert loaded.settings == model.settings
    assert loaded.max_inverse_temperature == 30.0
    kept, read = model.state_dict(), loaded.state_dict()
    assert kept.keys() == read.keys()
    assert all(torch.equal(kept[name], read[name]) for name in kept)
    assert not loaded.training
    assert torch.equal(loaded.tracks(track_inputs()), model.tracks(track_inputs()))


@pytest.mark.parametrize("name", [WEIGHTS, SHAPE])
@pytest.mark.parametrize("damage", ["missing", "cut", "garbage"])
def test_missing_or_damaged_towers_end_in_a_sentence(tmp_path, name, damage):
    towers().save(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\x00" * 100)
    with pytest.raises(ArtifactError, match="train them again"):
        TwoTower.load(tmp_path)


def test_weights_of_another_shape_end_in_a_sentence(tmp_path):
    towers().save(tmp_path)
    shape = json.loads((tmp_path / SHAPE).read_text())
    shape["vocabulary"]["n_tracks"] = 8
    (tmp_path / SHAPE).write_text(json.dumps(shape))
    with pytest.raises(ArtifactError, match="train them again"):
        TwoTower.load(tmp_path)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))])
def test_a_pickle_in_place_of_the_weights_is_not_executed(tmp_path, write):
    towers().save(tmp_path)
    write(Bomb(tmp_path / "exploded"), tmp_path / WEIGHTS)
    with pytest.raises(ArtifactError):
        TwoTower.load(tmp_path)
    assert not (tmp_path / "exploded").exists()
