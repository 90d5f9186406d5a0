import torch

from loopback_core.settings import TowersSettings
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.training.averaging import averaged


def test_the_mean_of_the_epochs_is_there_inside_and_the_own_weights_after_it():
    model = TwoTower(Vocabulary(2, 2, 2), TowersSettings())
    mean, weight = {}, model.users.user.weight
    for epochs, value in enumerate((1.0, 2.0, 6.0)):
        with torch.no_grad():
            weight.fill_(value)
        with averaged(model, mean, epochs):
            inside = weight.detach().clone()
        assert (weight == value).all()
        torch.testing.assert_close(inside, torch.full_like(inside, (1.0, 1.5, 3.0)[epochs]))
