import numpy as np
import pytest
import torch

from loopback_core.runtime.prefetch import prefetch
from loopback_core.settings import Settings, TowersSettings, TrainingSettings
from loopback_core.training.loop import set_up, training_step
from loopback_core.training.sampled import SampledExamples
from loopback_core.training.track_memory import TrackMemory


def settings_of(**chosen):
    given = {"objective": "sampled", "batch_size": 60, "request_stride": 4, "target_window": 5, "negatives": 20}
    towers = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=8)
    return Settings(towers=towers, training=TrainingSettings(**{**given, "memory": 100, **chosen}))


def vectors(*values):
    return torch.tensor([[float(value)] for value in values], requires_grad=True)


def test_the_last_targets_come_back_in_order_as_they_were():
    memory, seen = TrackMemory(3), []
    for step, targets in enumerate([(1, 2), (3, 4), (5,), (6, 7, 8, 9), (10,)]):
        assert memory.steps == step
        expected = memory.tracks.tolist()
        memory.expect(np.array(targets))
        came = memory.exchange(step, vectors(*targets))
        assert not came.requires_grad
        assert came.flatten().tolist() == expected
        seen.append(expected)
    assert seen == [[], [1, 2], [2, 3, 4], [3, 4, 5], [7, 8, 9]]


def test_the_ids_may_run_ahead_of_the_vectors():
    memory, expected = TrackMemory(3), []
    for targets in ([1, 2], [3, 4], [5]):
        expected.append(memory.tracks.tolist())
        memory.expect(np.array(targets))
    came = [memory.exchange(step, vectors(*t)).flatten().tolist() for step, t in enumerate(([1, 2], [3, 4], [5]))]
    assert came == expected


@pytest.mark.parametrize("step", [0, 2])
def test_a_step_out_of_turn_is_refused(step):
    memory = TrackMemory(3)
    memory.exchange(0, vectors(1))
    with pytest.raises(RuntimeError, match="out of turn"):
        memory.exchange(step, vectors(2))


def test_a_step_stands_against_the_vectors_of_the_targets_before_it_and_each_epoch_starts_with_none(random_log):
    """The loss beside one that is made of the vectors which every step had, kept by the test; batches made ahead."""
    settings = settings_of(memory_weight=0.25)
    model, optimizers = set_up(random_log, settings, torch.device("cpu"))
    model.eval()  # no dropout: the test makes the same vectors again
    examples = SampledExamples(random_log, settings)
    for epoch in (1, 2):
        tracks, kept = [], torch.zeros(0, 8)
        for batch in prefetch(examples.epoch(epoch)):
            n, scale = len(kept[-100:]), model.inverse_temperature().item()
            assert batch.correction[20:].tolist() == pytest.approx([np.log(4)] * n)
            with torch.no_grad():
                users, of_step = model(batch.users, batch.tracks)
            negatives = torch.cat([of_step[len(batch) :], kept[-100:]])
            scores = scale * users @ negatives.T - batch.correction
            losses = []
            for target, request in enumerate(batch.request.tolist()):
                own = scale * users[request] @ of_step[target]
                others = scores[request][~batch.false_negative[request]]
                losses.append((torch.cat([own[None], others]).logsumexp(0) - own).item())
            mine = {r: set() for r in range(len(users))}
            for request, track in zip(batch.request.tolist(), batch.tracks.track.tolist(), strict=False):
                mine[request].add(track)
            for request, own in mine.items():  # the usual masks hold for what is remembered
                masked = batch.false_negative[request, 20:].tolist()
                assert all(m for track, m in zip(tracks[-100:], masked, strict=True) if track in own)
            loss = training_step(model, optimizers, batch)
            assert loss.item() == pytest.approx(np.mean(losses), rel=1e-4)
            tracks += batch.tracks.track[: len(batch)].tolist()
            kept = torch.cat([kept, of_step[: len(batch)]])
        assert len(tracks) > 300
