import torch

from loopback_core.settings import PooledSettings, TowersSettings
from loopback_core.towers.pool import Pool
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.towers.user import UserInputs

REQUESTS = 400


def test_gradients_of_the_user_tower_are_the_same_to_the_last_bit_every_time():
    # An index like gates[intent] adds up its gradient in whatever order the threads come.
    made = torch.Generator().manual_seed(0)
    settings = TowersSettings(user_encoder="pooled", track_encoder="sum", pooled=PooledSettings(dropout=0.0))
    model = TwoTower(Vocabulary(1, 50, 50), settings, sparse=True)
    ids, intent = torch.arange(50), torch.randint(0, 2, (REQUESTS,), generator=made)
    scales = len(settings.pooled.artist_half_lives), len(settings.pooled.track_half_lives)
    pools = [Pool((ids,), (torch.rand(REQUESTS, n, 50, generator=made),)) for n in scales]
    wanted = torch.randn(REQUESTS, settings.output_dim, generator=made)

    def gradient():
        model.zero_grad()
        (model.users(UserInputs(torch.zeros(REQUESTS, dtype=torch.long), intent, *pools)) * wanted).sum().backward()
        return torch.cat([model.users.artist_gates.grad.flatten(), model.users.track_gates.grad.flatten()])

    first = gradient()
    assert all(torch.equal(gradient(), first) for _ in range(30))
