import pytest
import torch

from loopback_core.settings import Settings, TowersSettings, TrainingSettings
from loopback_core.towers.track import TrackInputs
from loopback_core.training.cached_gradients import encode
from loopback_core.training.loop import set_up, training_step
from loopback_core.training.sampled import SampledExamples

CPU = torch.device("cpu")
SIZE = 7


def settings_of(optimizer="sparse", encoder="transformer", cached=SIZE):
    given = {"objective": "sampled", "batch_size": 60, "request_stride": 4, "target_window": 5, "negatives": 20}
    training = TrainingSettings(optimizer=optimizer, learning_rate=0.01, cached_gradients=cached, **given)
    towers = TowersSettings(
        user_encoder=encoder, track_encoder="mlp" if encoder == "id" else "sum", output_dim=8, context=True, window=4
    )
    return Settings(towers=towers, training=training)


def in_parts(tower, inputs):
    """The same parts with the same draws, in one graph: what cached gradients stand for."""
    return torch.cat(
        [tower(inputs.rows(start, min(start + SIZE, len(inputs)))) for start in range(0, len(inputs), SIZE)]
    )


def gradients(model, optimizer):
    """The gradient of every weight; of a sparse table's as one of the whole table."""
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    for name, table in enumerate(model.embeddings() if optimizer == "sparse" else []):
        found[name] = torch.zeros_like(table.weight)
        if (touched := table.gradient()) is not None:
            found[name].index_add_(0, *touched)
    return found


@pytest.mark.parametrize("optimizer", ["dense", "sparse"])
@pytest.mark.parametrize("encoder", ["id", "pooled", "ema", "transformer"])
def test_with_dropout_on_the_gradients_are_those_of_one_graph(random_log, optimizer, encoder):
    settings, found, after = settings_of(optimizer, encoder), [], []
    [batch, *_] = SampledExamples(random_log, settings).epoch(1)
    assert min(len(batch.users), len(batch.tracks)) > 2 * SIZE
    for read in (lambda tower, inputs: encode(tower, inputs, SIZE, CPU), in_parts):
        model, _ = set_up(random_log, settings, CPU)
        torch.manual_seed(1)
        vectors = torch.cat([read(model.users, batch.users), read(model.tracks, batch.tracks)])
        torch.rand(3)  # what others draw in between does not matter
        torch.autograd.backward((vectors * torch.arange(8) * torch.arange(len(vectors))[:, None]).sin().sum())
        found.append(gradients(model, optimizer))
        after.append(torch.rand(1).item())
    assert found[0].keys() == found[1].keys() and len(found[0]) > 2
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-4)
    assert any(gradient.any() for gradient in found[0].values())
    assert after[0] == after[1]  # reading again draws nothing anew


@pytest.mark.parametrize("optimizer", ["dense", "sparse"])
@pytest.mark.parametrize("encoder", ["id", "pooled"])  # attention has a bias without a gradient: AdamW scales its noise
def test_without_dropout_steps_in_parts_end_in_the_weights_of_whole_steps(random_log, encoder, optimizer):
    ends = []
    for cached in (0, SIZE):
        settings = settings_of(optimizer, encoder, cached)
        model, optimizers = set_up(random_log, settings, CPU)
        for batch in SampledExamples(random_log, settings).epoch(1):
            training_step(model.eval(), optimizers, batch)
        ends.append(model.state_dict())
    for name, weight in ends[0].items():
        torch.testing.assert_close(weight, ends[1][name], rtol=1e-3, atol=1e-4)


def test_no_more_than_so_many_are_in_a_graph_at_a_time():
    weight, read = torch.ones((), requires_grad=True), []

    def tower(inputs):
        read.append((len(inputs), torch.is_grad_enabled()))
        return inputs.track[:, None] * weight

    ids = torch.arange(8)
    vectors = encode(tower, TrackInputs(ids, ids), 3, CPU)
    assert read == [(3, False), (3, False), (2, False)]
    torch.autograd.backward(vectors, torch.ones(8, 1))
    assert read[3:] == [(3, True), (3, True), (2, True)]
    assert weight.grad.item() == 28
