import pytest
import torch

from loopback_core.settings import EmaSettings, TowersSettings, TransformerSettings
from loopback_core.towers.optional.encoders import EmaEncoder, TransformerEncoder, make_encoder

WINDOW, LENGTH, DIM = 3, 6, 8


def encoder(kind):
    torch.manual_seed(0)
    shape = TowersSettings(
        user_encoder=kind,
        track_encoder="sum",
        output_dim=DIM,
        **{
            "ema": {"ema": EmaSettings(window=WINDOW, half_lives=[1.0, 4.0])},
            "transformer": {"transformer": TransformerSettings(window=WINDOW, heads=2, hidden_dim=16, layers=1)},
        }[kind],
    )
    made = make_encoder(shape).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn_like(weight))  # nothing starts silent
    return made


@pytest.mark.parametrize("kind", ["ema", "transformer"])
def test_a_place_is_encoded_from_itself_and_the_listens_of_the_window_before_it(kind):
    made, listens = encoder(kind), torch.randn(1, LENGTH, DIM, requires_grad=True)
    there = torch.ones(1, LENGTH, dtype=torch.bool)
    for place in range(LENGTH):
        [gradient] = torch.autograd.grad(
            made(listens, there)[0, place].square().sum() + made(listens, there)[0, place].sum(), listens
        )
        reads = gradient[0].abs().sum(dim=1) > 1e-9
        assert reads.nonzero().flatten().tolist() == list(range(max(0, place - WINDOW + 1), place + 1))


@pytest.mark.parametrize("kind", ["ema", "transformer"])
def test_places_without_a_listen_have_no_effect(kind):
    made = encoder(kind)
    there = torch.tensor([[False, False, True, True, False, True]])
    listens = torch.randn(1, LENGTH, DIM)
    other = torch.where(there[..., None], listens, torch.randn(1, LENGTH, DIM))
    a, b = made(listens, there), made(other, there)
    torch.testing.assert_close(a[there], b[there])
    assert torch.isfinite(a).all()


@pytest.mark.parametrize("kind", ["ema", "transformer"])
def test_one_pass_over_a_stretch_encodes_every_place_as_a_pass_over_what_lies_before_it_does(kind):
    made, listens = encoder(kind), torch.randn(2, LENGTH, DIM)
    there = torch.ones(2, LENGTH, dtype=torch.bool)
    whole = made(listens, there)
    for place in range(LENGTH):
        cut = slice(0, place + 1)
        torch.testing.assert_close(made(listens[:, cut], there[:, cut])[:, -1], whole[:, place])


def test_an_average_halves_what_lies_a_half_life_back():
    made = EmaEncoder(EmaSettings(window=3, half_lives=[1.0]))
    listens = torch.eye(4)[None]
    found = made(listens, torch.ones(1, 4, dtype=torch.bool))[0, :, 0]
    length = (1 + 0.5**2 + 0.25**2) ** 0.5
    torch.testing.assert_close(found[3], torch.tensor([0.0, 0.25, 0.5, 1.0]) / length)
    torch.testing.assert_close(found[0], torch.tensor([1.0, 0.0, 0.0, 0.0]))


def test_a_transformer_begins_as_the_last_listen():
    made = TransformerEncoder(8, TransformerSettings(window=3, heads=2)).eval()
    listens = torch.randn(1, 4, 8)
    found = made(listens, torch.ones(1, 4, dtype=torch.bool))[0, :, 0]
    torch.testing.assert_close(found, torch.nn.functional.normalize(listens[0], dim=-1))
