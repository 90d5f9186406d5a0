import json

import pytest
import torch

from loopback_core.errors import LoopbackError
from loopback_core.settings import load_settings
from loopback_core.training.examples import Examples
from loopback_core.training.loop import save_history, train
from loopback_core.training.set_up import make_examples, set_up
from loopback_core.training.steps import training_step

CPU = torch.device("cpu")


def scripted(*values, seen=None):
    """A validation that gives these values, epoch by epoch, and keeps the weights it saw."""
    remaining = iter(values)

    def validate(model):
        if seen is not None:
            seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"hits": next(remaining), "other": 0.0}

    return validate


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("optimizer", ["dense", "sparse"])
def test_the_weights_depend_on_the_seed_alone(random_log, settings_for, tmp_path, optimizer):
    def weights(name, seed, validate):
        (tmp_path / name).mkdir()
        model, _ = train(random_log, settings_for(optimizer, seed=seed), validate, tmp_path / name)
        return model.state_dict()

    def noisy(model):
        torch.rand(len(noisy.values) + 3)  # what a validation draws does not matter
        return {"hits": noisy.values.pop(0)}

    noisy.values = [0.1, 0.2, 0.3]
    first = weights("first", 0, scripted(0.1, 0.2, 0.3))
    torch.manual_seed(99)
    assert same(first, weights("again", 0, noisy))
    assert not same(first, weights("other", 1, scripted(0.1, 0.2, 0.3)))


@pytest.mark.parametrize("optimizer", ["dense", "sparse"])
def test_a_step_moves_every_part_of_the_towers_and_of_the_tables_the_rows_of_the_batch(
    random_log, settings_for, optimizer
):
    settings = settings_for(optimizer, weight_decay=0.0)
    model, optimizers = set_up(random_log, settings, CPU)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batch = Examples(random_log, settings.training).batch(torch.arange(40).numpy())
    training_step(model.train(), optimizers, batch)
    moved = {name: tensor != before[name] for name, tensor in model.state_dict().items()}
    assert all(change.any() for change in moved.values())
    for name, ids in [("users.user", batch.user), ("tracks.track", batch.track), ("tracks.artist", batch.artist)]:
        rows = moved[f"{name}.weight"].any(dim=1).nonzero().flatten()
        assert rows.tolist() == ids.unique().tolist()


def test_adamw_goes_on_moving_a_row_that_has_left_the_batch_and_rowwise_adagrad_does_not(random_log, settings_for):
    def rows_moved_by_the_second_step(optimizer):
        settings = settings_for(optimizer, weight_decay=0.0)
        model, optimizers = set_up(random_log, settings, CPU)
        examples = Examples(random_log, settings.training)
        users = random_log.events.user
        training_step(model, optimizers, examples.batch((users < 2).nonzero()[0]))
        before = model.users.user.weight.detach().clone()
        training_step(model, optimizers, examples.batch((users >= 10).nonzero()[0]))
        return (model.users.user.weight != before).any(dim=1).nonzero().flatten().tolist()

    assert rows_moved_by_the_second_step("dense") == [0, 1, 10, 11]
    assert rows_moved_by_the_second_step("sparse") == [10, 11]


def test_a_step_never_leaves_the_temperature_beyond_its_bound(random_log, settings_for):
    settings = settings_for(max_inverse_temperature=2.0)
    model, optimizers = set_up(random_log, settings, CPU)
    with torch.no_grad():
        model.log_inverse_temperature.fill_(1.0)  # e is above 2
    training_step(model, optimizers, Examples(random_log, settings.training).batch(torch.arange(40).numpy()))
    assert model.inverse_temperature().item() == pytest.approx(2.0)


@pytest.mark.parametrize("preset", ["reference", "default"])
def test_a_step_of_16_bit_products_is_nearly_that_of_32_bits(random_log, preset):
    steps = {}
    for precision in ("fp32", "bf16"):
        chosen = {"preset": preset, "precision": precision, "batch_size": 64, "device": "cpu"}
        settings = load_settings({"training": chosen}, environ={})
        model, optimizers = set_up(random_log, settings, torch.device("cpu"))
        batch = next(iter(make_examples(random_log, settings).epoch(1)))
        loss = training_step(model.train(), optimizers, batch, precision)
        steps[precision] = loss.item(), [weight.detach().clone() for weight in model.parameters()]
    assert steps["fp32"][0] != steps["bf16"][0] == pytest.approx(steps["fp32"][0], rel=0.02)
    for exact, rounded in zip(steps["fp32"][1], steps["bf16"][1], strict=True):
        assert rounded.dtype == torch.float32
        assert (exact - rounded).norm() < 0.05 * exact.norm() + 0.05


def test_the_loss_falls(random_log, settings_for, tmp_path):
    _, progression = train(random_log, settings_for(epochs=6), scripted(*range(6)), tmp_path)
    losses = [epoch.loss for epoch in progression.history]
    assert losses[-1] < 0.9 * losses[0]


def test_training_stops_when_patience_ends_and_keeps_the_weights_of_the_best_epoch(random_log, settings_for, tmp_path):
    seen = []
    validate = scripted(0.2, 0.5, 0.5, 0.4, 0.9, seen=seen)
    model, progression = train(random_log, settings_for(epochs=5, patience=2), validate, tmp_path)
    assert [epoch.validation["hits"] for epoch in progression.history] == [0.2, 0.5, 0.5, 0.4]
    assert (progression.best_epoch, progression.best_value) == (2, 0.5)  # of equals the first
    for table, name in [(model.users.user, "users.user"), (model.tracks.track, "tracks.track")]:
        assert torch.equal(table.weight[:-1], seen[1][f"{name}.weight"][:-1])
        assert torch.equal(table.weight[-1], table.weight[:-1].mean(dim=0))  # the unknown row, settled
    assert torch.equal(model.users.body.layers[0].weight, seen[1]["users.body.layers.0.weight"])


def test_an_epoch_that_gains_too_little_is_not_better(random_log, settings_for, tmp_path):
    validate = scripted(0.5, 0.504, 0.506, 0.51, 0.511, 0.7)
    _, progression = train(random_log, settings_for(epochs=6, patience=2, min_gain=0.01), validate, tmp_path)
    assert (progression.best_epoch, progression.best_value) == (3, 0.506)
    assert len(progression.history) == 5


def test_the_history_tells_every_epoch(random_log, settings_for, tmp_path):
    _, progression = train(random_log, settings_for(), scripted(0.1, 0.3, 0.2), tmp_path)
    save_history(progression, tmp_path)
    history = json.loads((tmp_path / "history.json").read_text())
    assert history["best_epoch"] == 2
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2, 3]
    assert [epoch["validation"]["hits"] for epoch in history["epochs"]] == [0.1, 0.3, 0.2]
    assert history["epochs"][0].keys() == {
        "epoch", "loss", "temperature", "seconds", "events_per_second", "validation",
    }  # fmt: skip


def test_validation_sees_the_towers_without_dropout_and_training_goes_on_with_it(random_log, settings_for, tmp_path):
    modes = []

    def validate(model):
        modes.append((model.training, torch.is_grad_enabled()))
        return {"hits": 0.0}

    train(random_log, settings_for(epochs=2), validate, tmp_path)
    assert modes == [(False, False), (False, False)]


@pytest.mark.parametrize("optimizer", ["dense", "sparse"])
def test_a_loss_that_is_not_finite_ends_in_a_sentence(random_log, settings_for, tmp_path, optimizer):
    settings = settings_for(optimizer)
    steep = {"learning_rate": 1e30, "embedding_learning_rate": 1e30}  # beyond the bounds of the settings
    settings = settings.model_copy(update={"training": settings.training.model_copy(update=steep)})
    with pytest.raises(LoopbackError, match=r"epoch 1 is not finite: lower training\.learning_rate"):
        train(random_log, settings, scripted(), tmp_path)
