import numpy as np
import pytest
import torch
import torch.nn.functional as F

from loopback_core.training.losses import sampled_softmax

DOUBLE = {"dtype": torch.float64}


def unit(rows, dim, seed):
    return F.normalize(torch.randn(rows, dim, **DOUBLE, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.fixture
def case():
    """Three requests, five positives, seven negatives."""
    return {
        "users": unit(3, 4, 0),
        "positives": unit(5, 4, 1),
        "request": torch.tensor([0, 0, 1, 2, 2]),
        "negatives": unit(7, 4, 2),
        "inverse_temperature": torch.tensor(6.0, **DOUBLE),
        "correction": torch.linspace(-1, 1, 7, **DOUBLE),
    }


def by_hand(case, false_negative=None):
    users, positives, negatives = (case[name].numpy() for name in ("users", "positives", "negatives"))
    losses = []
    for target, request in enumerate(case["request"].tolist()):
        own = 6 * users[request] @ positives[target]
        others = 6 * negatives @ users[request] - case["correction"].numpy()
        if false_negative is not None:
            others = others[~false_negative[request].numpy()]
        losses.append(np.log(np.exp(own) + np.exp(others).sum()) - own)
    return np.mean(losses)


def test_every_positive_stands_against_the_corrected_negatives(case):
    assert sampled_softmax(**case).item() == pytest.approx(by_hand(case), rel=1e-12)


def test_masked_negatives_count_as_if_they_had_not_been_drawn(case):
    mask = torch.zeros(3, 7, dtype=torch.bool)
    mask[0, 2:5] = mask[2, 0] = True
    assert sampled_softmax(**case, false_negative=mask).item() == pytest.approx(by_hand(case, mask), rel=1e-12)


def test_with_everything_masked_the_loss_is_zero(case):
    case["users"].requires_grad_()
    loss = sampled_softmax(**case, false_negative=torch.ones(3, 7, dtype=torch.bool))
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert not case["users"].grad.isnan().any()


def test_the_gradient_is_that_of_finite_differences(case):
    mask = torch.zeros(3, 7, dtype=torch.bool)
    mask[1, 3] = True
    inputs = [case[name].requires_grad_() for name in ("users", "positives", "negatives", "inverse_temperature")]
    assert torch.autograd.gradcheck(
        lambda u, p, n, t: sampled_softmax(u, p, case["request"], n, t, case["correction"], mask), inputs
    )


def test_the_corrected_estimate_converges_to_the_full_softmax():
    """The gap falls with the number of negatives, and without the correction it does not."""
    tracks, user = unit(200, 8, 3), unit(1, 8, 4)
    share = torch.softmax(torch.randn(200, **DOUBLE, generator=torch.Generator().manual_seed(5)), dim=0)
    rng = torch.Generator().manual_seed(6)
    positive, request, scale = tracks[[7]], torch.tensor([0]), torch.tensor(5.0, **DOUBLE)
    others = torch.arange(200) != 7
    full = (torch.logsumexp(5 * tracks @ user[0], 0) - 5 * tracks[7] @ user[0]).item()
    share = torch.where(others, share, 0.0)
    share = share / share.sum()

    def gap(m, logq):
        drawn = torch.multinomial(share, m, replacement=True, generator=rng)
        correction = logq * torch.log(m * share[drawn])
        return abs(sampled_softmax(user, positive, request, tracks[drawn], scale, correction).item() - full)

    few = np.mean([gap(100, 1.0) for _ in range(50)])
    many = np.mean([gap(10_000, 1.0) for _ in range(50)])
    assert many < few / 5 and many < 0.1
    assert np.mean([gap(10_000, 0.0) for _ in range(5)]) > 1


def test_the_loss_is_the_weighted_mean_over_the_positives(case):
    weight = torch.tensor([1.0, 0.25, 1.0, 0.0, 0.25], **DOUBLE)
    each = [
        sampled_softmax(**{**case, "positives": case["positives"][[t]], "request": case["request"][[t]]}).item()
        for t in range(5)
    ]
    expected = (each[0] + 0.25 * each[1] + each[2] + 0.25 * each[4]) / 2.5
    assert sampled_softmax(**case, weight=weight).item() == pytest.approx(expected, rel=1e-12)


def test_with_zero_weights_the_loss_is_zero(case):
    assert sampled_softmax(**case, weight=torch.zeros(5, **DOUBLE)).item() == 0
