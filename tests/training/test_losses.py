from math import exp, log

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from loopback_core.training.losses import in_batch_infonce


def unit_vectors(rows, dim, seed):
    vectors = torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return F.normalize(vectors, dim=1)


def mean_surprise(logits, kept):
    """-log of the diagonal's share in each row, over the kept entries alone; float64, one row at a time."""
    return np.mean(
        [np.log(np.sum(np.exp(row[k]))) - row[i] for i, (row, k) in enumerate(zip(logits, kept, strict=True))]
    )


def test_the_loss_of_three_pairs_by_hand():
    users = torch.tensor([[0.6, 0.8, 0.0], [0.0, 1.0, 0.0], [0.8, 0.0, 0.6]])
    loss = in_batch_infonce(users, torch.eye(3), torch.tensor(5.0))  # logits 3 4 0 / 0 5 0 / 4 0 3
    by_user = log(exp(3) + exp(4) + 1) - 3 + log(1 + exp(5) + 1) - 5 + log(exp(4) + 1 + exp(3)) - 3
    by_track = log(exp(3) + 1 + exp(4)) - 3 + log(exp(4) + exp(5) + 1) - 5 + log(1 + 1 + exp(3)) - 3
    assert loss.item() == pytest.approx((by_user + by_track) / 6)


def test_the_loss_is_the_mean_of_the_cross_entropies_of_both_directions():
    users, tracks = unit_vectors(7, 5, 0), unit_vectors(7, 5, 1)
    logits = 14.0 * users.numpy() @ tracks.numpy().T
    everything = np.ones((7, 7), bool)
    expected = (mean_surprise(logits, everything) + mean_surprise(logits.T, everything)) / 2
    assert in_batch_infonce(users, tracks, torch.tensor(14.0)).item() == pytest.approx(expected, rel=1e-12)
    single = in_batch_infonce(users.float(), tracks.float(), torch.tensor(14.0))
    assert single.item() == pytest.approx(expected, rel=1e-5)


def test_masked_pairs_leave_the_denominators_of_both_directions():
    users, tracks = unit_vectors(6, 4, 2), unit_vectors(6, 4, 3)
    mask = np.zeros((6, 6), bool)
    mask[0, 1] = mask[0, 2] = mask[3, 0] = mask[5, 4] = True  # not symmetric
    logits = 9.0 * users.numpy() @ tracks.numpy().T
    expected = (mean_surprise(logits, ~mask) + mean_surprise(logits.T, ~mask.T)) / 2
    loss = in_batch_infonce(users, tracks, torch.tensor(9.0), torch.from_numpy(mask))
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_a_pair_whose_others_are_all_masked_has_no_loss_and_no_gradient():
    users = unit_vectors(3, 4, 4).requires_grad_()
    mask = torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0]], dtype=torch.bool)
    tracks = unit_vectors(3, 4, 5)
    loss = in_batch_infonce(users, tracks, torch.tensor(9.0), mask)
    loss.backward()
    assert users.grad[0].tolist() == [0.0, 0.0, 0.0, 0.0]
    rest = in_batch_infonce(users[1:].detach(), tracks[1:], torch.tensor(9.0))
    assert loss.item() == pytest.approx(rest.item() * 2 / 3)


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_that_of_two_cross_entropies(masked):
    mask = torch.zeros(5, 5, dtype=torch.bool)
    mask[0, 3] = mask[2, 1] = masked
    given = [unit_vectors(5, 4, 6), unit_vectors(5, 4, 7), torch.tensor(6.0, dtype=torch.float64)]
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in given] for _ in range(2))
    (3 * in_batch_infonce(*ours, mask)).backward()
    logits = (theirs[0] @ theirs[1].T * theirs[2]).masked_fill(mask, -torch.inf)
    positive = torch.arange(5)
    (3 * (F.cross_entropy(logits, positive) + F.cross_entropy(logits.T, positive)) / 2).backward()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-12, atol=1e-12)


def test_a_sharp_temperature_neither_overflows_nor_loses_the_loss():
    users = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    tracks = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])  # user 0 prefers the wrong track by 200 nats
    loss = in_batch_infonce(users, tracks, torch.tensor(100.0))
    assert loss.item() == pytest.approx((200 + log(2) + log(2)) / 4, rel=1e-3)
