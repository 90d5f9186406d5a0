import pytest
import torch

from loopback_core.settings import HstuSettings
from loopback_core.towers.hstu import TIME_BUCKETS, HstuEncoder, time_buckets

WINDOW, LENGTH, DIM = 3, 6, 8

TIMES = torch.tensor([[0.0, 60.0, 120.0, 4000.0, 4060.0, 90_000.0]])
"""Seconds of the listens of a stretch."""


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    made = HstuEncoder(DIM, HstuSettings(window=WINDOW, heads=2, layers=1)).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn_like(weight))  # nothing starts silent
    return made


def test_a_place_is_encoded_from_itself_and_the_listens_of_the_window_before_it(encoder):
    listens, there = torch.randn(1, LENGTH, DIM, requires_grad=True), torch.ones(1, LENGTH, dtype=torch.bool)
    for place in range(LENGTH):
        found = encoder(listens, there, TIMES)[0, place]
        [gradient] = torch.autograd.grad(found.square().sum() + found.sum(), listens)
        reads = gradient[0].abs().sum(dim=1) > 1e-9
        assert reads.nonzero().flatten().tolist() == list(range(max(0, place - WINDOW + 1), place + 1))


def test_places_without_a_listen_have_no_effect(encoder):
    there = torch.tensor([[True, True, False, True, False, False]])
    listens = torch.randn(1, LENGTH, DIM)
    other = torch.where(there[..., None], listens, torch.randn(1, LENGTH, DIM))
    one, two = encoder(listens, there, TIMES), encoder(other, there, TIMES)
    torch.testing.assert_close(one[there], two[there])
    assert torch.isfinite(one).all()


def test_one_pass_over_a_stretch_encodes_every_place_as_a_pass_over_what_lies_before_it_does(encoder):
    listens, there, times = torch.randn(2, LENGTH, DIM), torch.ones(2, LENGTH, dtype=torch.bool), TIMES.expand(2, -1)
    whole = encoder(listens, there, times)
    for place in range(LENGTH):
        cut = slice(0, place + 1)
        torch.testing.assert_close(encoder(listens[:, cut], there[:, cut], times[:, cut])[:, -1], whole[:, place])


def test_the_order_and_the_times_of_listens_matter_and_when_the_stretch_began_does_not(encoder):
    listens, there = torch.randn(1, LENGTH, DIM), torch.ones(1, LENGTH, dtype=torch.bool)
    last = encoder(listens, there, TIMES)[0, -1]
    torch.testing.assert_close(encoder(listens, there, TIMES + 1000)[0, -1], last)
    assert not torch.allclose(encoder(listens, there, TIMES * 100)[0, -1], last)
    swapped = listens[:, [0, 1, 2, 4, 3, 5]]
    assert not torch.allclose(encoder(swapped, there, TIMES)[0, -1], last)


def test_it_begins_as_the_listen_itself():
    made = HstuEncoder(DIM, HstuSettings(window=3, heads=2)).eval()
    listens = torch.randn(1, LENGTH, DIM)
    found = made(listens, torch.ones(1, LENGTH, dtype=torch.bool), TIMES)
    torch.testing.assert_close(found, torch.nn.functional.normalize(listens, dim=-1))


def test_biases_get_the_gradient_of_a_plain_index():
    made = HstuEncoder(DIM, HstuSettings(window=3, heads=1, layers=1, dropout=0.0)).double()
    torch.nn.init.normal_(made.blocks[0].out.weight)
    listens, there = torch.randn(2, LENGTH, DIM).double(), torch.ones(2, LENGTH, dtype=torch.bool)
    block, step = made.blocks[0], 1e-6

    def loss():
        return made(listens, there, TIMES.double().expand(2, -1)).sin().sum()

    loss().backward()
    for bias, place in ((block.of_lag, 1), (block.of_time, int(time_buckets(torch.tensor(60.0))))):
        with torch.no_grad():
            bias[place] += step
            above = loss()
            bias[place] -= 2 * step
            below = loss()
            bias[place] += step
        torch.testing.assert_close(bias.grad[place], (above - below) / (2 * step), rtol=1e-4, atol=1e-7)


def test_times_are_in_powers_of_two():
    seconds = torch.tensor([0.0, 0.9, 1.0, 1.9, 2.0, 3600.0, 1e12])
    assert time_buckets(seconds).tolist() == [0, 0, 1, 1, 2, 12, TIME_BUCKETS - 1]
