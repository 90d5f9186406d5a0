import pytest
import torch

from loopback_core.towers.embedding import Bags, IdEmbedding
from loopback_core.towers.pool import Pool


def make_pool(seed=0):
    """Two requests that share a block of three items, one with a block of two, one that heard nothing."""
    made = torch.Generator().manual_seed(seed)
    ids = torch.tensor([4, 1, 99]), torch.tensor([1, 0]), torch.zeros(0, dtype=torch.long)
    shapes = (2, 2, 3), (1, 2, 2), (1, 2, 0)
    return Pool(ids, tuple(torch.rand(*shape, generator=made) for shape in shapes))


def by_hand(pool, table):
    """Request by request, scale by scale, item by item."""
    sums = []
    for ids, weights in zip(pool.ids, pool.weights, strict=True):
        for of_request in weights:
            for of_scale in of_request:
                sums.append(torch.zeros(table.shape[1]))
                for item, weight in zip(ids.tolist(), of_scale, strict=True):
                    sums[-1] = sums[-1] + weight * table[min(item, 6)]
    return torch.stack(sums).view(-1, 2, table.shape[1])


def assert_same_gradient(table, found, dense, expected):
    """Of what a table gave, and of the same made from a dense copy of its weights."""
    upstream = torch.arange(float(found.numel())).reshape(found.shape)
    (found * upstream).sum().backward()
    (expected * upstream).sum().backward()
    if table.sparse:
        rows, gradient = table.gradient()
        torch.testing.assert_close(gradient, dense.grad[rows])
    else:
        torch.testing.assert_close(table.weight.grad, dense.grad)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_pool_is_the_weighted_sum_of_its_rows_with_the_gradient_of_one(sparse):
    torch.manual_seed(0)
    table = IdEmbedding(6, 3, std=1.0, sparse=sparse)
    dense = table.weight.detach().clone().requires_grad_()
    found, expected = make_pool().sums(table), by_hand(make_pool(), dense)
    torch.testing.assert_close(found, expected)
    assert_same_gradient(table, found, dense, expected)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_bag_is_the_weighted_sum_of_its_rows_with_the_gradient_of_one(sparse):
    torch.manual_seed(0)
    table = IdEmbedding(6, 3, std=1.0, sparse=sparse)
    weights = torch.tensor([1.0, 2.0, 3.0, 1.0])
    found = table.bag(Bags(torch.tensor([4, 1, 4, 99]), torch.tensor([0, 2, 2]), weights))
    dense = table.weight.detach().clone().requires_grad_()
    rows = dense[torch.tensor([4, 1, 4, 6])] * weights[:, None]
    expected = torch.stack([rows[:2].sum(0), torch.zeros(3), rows[2:].sum(0)])
    torch.testing.assert_close(found, expected)
    assert_same_gradient(table, found, dense, expected)


def test_dropout_leaves_out_items_of_all_scales_of_a_request_at_once():
    torch.manual_seed(0)
    table = IdEmbedding(400, 400, std=1.0, sparse=False)
    with torch.no_grad():
        table.weight.copy_(torch.eye(401, 400))
        sums = Pool((torch.arange(400),), (torch.ones(2, 2, 400),)).sums(table, dropout=0.3)
    assert set(sums.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(sums[:, 0], sums[:, 1]) and not torch.equal(sums[0], sums[1])
    assert (sums == 0).float().mean().item() == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("sparse", [False, True])
def test_with_empty_histories_the_sums_are_zero_and_there_is_no_gradient(sparse):
    table = IdEmbedding(6, 3, std=1.0, sparse=sparse)
    nothing = Pool((torch.zeros(0, dtype=torch.long),), (torch.zeros(2, 2, 0),))
    sums = nothing.sums(table)
    assert torch.equal(sums, torch.zeros(2, 2, 3))
    sums.sum().backward()
    touched = table.gradient() if sparse else None
    assert touched is None or not len(touched[0])
