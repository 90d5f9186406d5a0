from collections import Counter

import pytest
import torch

from loopback_core.settings import MlpSettings, TowersSettings, TrainingSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.training.optimizers import RowwiseAdagrad, make_optimizers


def table_of(rows):
    table = IdEmbedding(len(rows) - 1, 2, std=1.0, sparse=True)
    with torch.no_grad():
        table.weight.copy_(torch.tensor(rows))
    return table


def step(table, optimizer, *lookups):
    """One step in which every looked-up row gets the gradient of the same position."""
    optimizer.zero_grad()
    for ids, upstream in lookups:
        (table(torch.tensor(ids)) * torch.tensor(upstream)).sum().backward()
    optimizer.step()


def test_two_steps_of_rowwise_adagrad_by_hand():
    table = table_of([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    optimizer = RowwiseAdagrad([table], learning_rate=0.5)
    step(table, optimizer, ([0, 2, 0], [[1.0, 0.0], [0.0, 2.0], [2.0, 4.0]]))
    # row 0: gradient (3, 4), accumulator 25 / 2; row 2: gradient (0, 2), accumulator 2
    first = 0.5 / 12.5**0.5
    assert table.weight[0].tolist() == pytest.approx([1 - 3 * first, 1 - 4 * first])
    assert table.weight[2].tolist() == pytest.approx([3.0, 3 - 2 * 0.5 / 2**0.5])

    step(table, optimizer, ([0], [[1.0, 1.0]]))
    second = 0.5 / 13.5**0.5  # 12.5 + (1 + 1) / 2
    assert table.weight[0].tolist() == pytest.approx([1 - 3 * first - second, 1 - 4 * first - second])
    assert table.weight[2].tolist() == pytest.approx([3.0, 3 - 2 * 0.5 / 2**0.5])
    assert optimizer.state_dict()["accumulators"][0].tolist() == pytest.approx([13.5, 0.0, 2.0])


def test_rows_outside_the_batch_keep_every_bit():
    table = IdEmbedding(50, 8, std=1.0, sparse=True)
    before = table.weight.detach().clone()
    optimizer = RowwiseAdagrad([table], learning_rate=0.5)
    step(table, optimizer, ([7, 9], torch.ones(2, 8).tolist()))
    moved = (table.weight != before).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [7, 9]


def test_a_row_looked_up_by_both_towers_moves_once_by_the_sum_of_its_gradients():
    table = table_of([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    optimizer = RowwiseAdagrad([table], learning_rate=0.5)
    step(table, optimizer, ([0, 1], [[1.0, 1.0], [1.0, 0.0]]), ([0, 2], [[2.0, 3.0], [0.0, 1.0]]))
    moved = 0.5 / 12.5**0.5  # the gradient of row 0 is (3, 4)
    assert table.weight[0].tolist() == pytest.approx([1 - 3 * moved, 1 - 4 * moved])
    assert table.weight[1].tolist() == pytest.approx([2 - 0.5 / 0.5**0.5, 2.0])
    assert table.weight[2].tolist() == pytest.approx([3.0, 3 - 0.5 / 0.5**0.5])
    assert optimizer.accumulators[0].tolist() == pytest.approx([12.5, 0.5, 0.5])


def towers(optimizer):
    torch.manual_seed(0)
    return TwoTower(Vocabulary(5, 7, 3), TowersSettings(mlp=MlpSettings(id_dim=4)), sparse=optimizer == "sparse")


@pytest.mark.parametrize("optimizer", ["dense", "sparse"])
def test_every_weight_has_exactly_one_optimizer(optimizer):
    model = towers(optimizer)
    held = Counter()
    for stepper in make_optimizers(model, TrainingSettings(optimizer=optimizer)):
        if isinstance(stepper, RowwiseAdagrad):
            held.update(id(table.weight) for table in stepper.tables)
        else:
            held.update(id(parameter) for group in stepper.param_groups for parameter in group["params"])
    assert held == Counter(id(parameter) for parameter in model.parameters())


def test_the_dense_preset_is_adamw_with_the_settings_of_training():
    [adamw] = make_optimizers(
        towers("dense"), TrainingSettings(optimizer="dense", learning_rate=0.02, weight_decay=0.3)
    )
    assert isinstance(adamw, torch.optim.AdamW)
    assert [(group["lr"], group["weight_decay"]) for group in adamw.param_groups] == [(0.02, 0.3)]
