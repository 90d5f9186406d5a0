import pytest
import torch
import torch.nn.functional as F

from loopback_core.towers.embedding import IdEmbedding


def test_every_id_outside_the_vocabulary_shares_the_last_row():
    table = IdEmbedding(3, 2, std=1.0, sparse=False)
    assert torch.equal(table(torch.tensor([-1, -7, 3, 4, 10**12])), table.weight[[3, 3, 3, 3, 3]])
    assert torch.equal(table(torch.tensor([0, 1, 2])), table.weight[:3])


def test_the_unknown_row_settles_at_the_mean_of_the_known_rows():
    table = IdEmbedding(3, 2, std=1.0, sparse=False)
    with torch.no_grad():
        table.weight.copy_(torch.tensor([[1.0, 0.0], [2.0, 3.0], [6.0, 0.0], [9.0, 9.0]]))
    table.settle_unknown()
    assert table.weight.tolist() == [[1.0, 0.0], [2.0, 3.0], [6.0, 0.0], [3.0, 1.0]]


def test_a_sparse_table_gets_the_gradient_of_a_dense_one_on_the_touched_rows_and_none_elsewhere():
    table = IdEmbedding(6, 3, std=1.0, sparse=True)
    ids = torch.tensor([[4, 1, 4], [-1, 4, 99]])
    upstream = torch.arange(18.0).reshape(2, 3, 3)
    (table(ids) * upstream).sum().backward()

    weight = table.weight.detach().clone().requires_grad_()
    (F.embedding(torch.tensor([[4, 1, 4], [6, 4, 6]]), weight) * upstream).sum().backward()
    rows, gradient = table.gradient()
    assert rows.tolist() == [1, 4, 6]
    assert torch.equal(gradient, weight.grad[rows])
    assert weight.grad[[0, 2, 3, 5]].count_nonzero() == 0
    assert table.weight.grad is None


@pytest.mark.parametrize("sparse", [False, True])
def test_a_lookup_gives_the_rows_of_the_table(sparse):
    table = IdEmbedding(6, 3, std=1.0, sparse=sparse)
    ids = torch.tensor([5, 0, 5])
    assert torch.equal(table(ids), table.weight[ids])
    with torch.no_grad():
        assert torch.equal(table(ids), table.weight[ids])


def test_a_lookup_without_gradients_touches_nothing():
    table = IdEmbedding(6, 3, std=1.0, sparse=True)
    with torch.no_grad():
        table(torch.tensor([1]))
    assert table.gradient() is None
