import os
import signal

import pytest
import torch

from loopback_core.errors import ArtifactError
from loopback_core.settings import SampledSettings, TowersSettings
from loopback_core.training import checkpoint, steps
from loopback_core.training.loop import train

OPTIMIZERS = ("dense", "sparse")
VALUES = (0.3, 0.2, 0.1)  # the first epoch is the best one: its weights have to survive a kill too


def by_epoch(values):
    remaining = iter(values)
    return lambda model: {"hits": next(remaining)}


def weights(data, settings, values, folder):
    model, progression = train(data, settings, by_epoch(values), folder)
    return {
        "served": model.state_dict(),
        "losses": [epoch.loss for epoch in progression.history],
        "best_epoch": progression.best_epoch,
        "last": torch.load(folder / "checkpoint.pt", weights_only=True)["model"],
    }


def assert_same(one, other):
    for name in ("served", "last"):
        assert one[name].keys() == other[name].keys()
        assert all(torch.equal(one[name][key], other[name][key]) for key in one[name])
    assert one["losses"] == other["losses"]
    assert one["best_epoch"] == other["best_epoch"]


@pytest.fixture
def folders(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    return tmp_path / "whole", tmp_path / "killed"


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_failed_in_an_epoch_goes_on_to_the_same_weights(
    random_log, settings_for, folders, optimizer, average
):
    settings, (whole, killed) = settings_for(optimizer, average_epochs=average), folders
    expected = weights(random_log, settings, VALUES, whole)

    with pytest.raises(StopIteration):  # the validation of the second epoch fails
        train(random_log, settings, by_epoch(VALUES[:1]), killed)
    assert_same(weights(random_log, settings, VALUES[1:], killed), expected)  # asks for epochs 2 and 3 alone


def test_a_resumed_run_with_every_part_of_the_sampled_objective_ends_in_the_same_weights(
    random_log, settings_for, folders
):
    sampled = SampledSettings(
        request_stride=4, target_window=5, negatives=20, repeat_weight=0.5, hard_share=0.5, hard_weight=0.5, hard_pool=6
    )
    every_part = settings_for(objective="sampled", sampled=sampled)
    towers = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=8)
    settings, (whole, killed) = every_part.model_copy(update={"towers": towers}), folders
    expected = weights(random_log, settings, VALUES, whole)

    with pytest.raises(StopIteration):
        train(random_log, settings, by_epoch(VALUES[:1]), killed)
    assert_same(weights(random_log, settings, VALUES[1:], killed), expected)


def train_and_be_killed(data, settings, folder):
    """Five steps are an epoch: this process is killed before the third step of the second."""
    torch.set_num_threads(1)
    step, taken = steps.training_step, []

    def counted(*given):
        taken.append(None)
        if len(taken) > 5 + 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*given)

    steps.training_step = counted
    train(data, settings, by_epoch(VALUES), folder)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_killed_in_the_middle_of_an_epoch_goes_on_to_the_same_weights(
    random_log, settings_for, folders, forked, optimizer
):
    settings, (whole, killed) = settings_for(optimizer), folders
    expected = weights(random_log, settings, VALUES, whole)
    assert forked(train_and_be_killed, random_log, settings, killed) == -signal.SIGKILL
    assert_same(weights(random_log, settings, VALUES[1:], killed), expected)


def test_a_finished_run_is_not_trained_again(random_log, settings_for, folders):
    settings, (whole, _) = settings_for(), folders
    expected = weights(random_log, settings, VALUES, whole)
    assert_same(weights(random_log, settings, (), whole), expected)


def test_a_run_whose_patience_had_ended_is_not_trained_further(random_log, settings_for, folders):
    settings, (whole, _) = settings_for(epochs=9, patience=2), folders
    expected = weights(random_log, settings, VALUES, whole)
    assert_same(weights(random_log, settings, (), whole), expected)


def flip(path):
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, len(content) // 2):  # more than the padding between two tensors
        content[at] ^= 1
    path.write_bytes(content)


def other_content(path):
    torch.save({"of": "another program"}, path)


def folder(path):
    path.unlink()
    path.mkdir()


def bomb(path):
    torch.save(Bomb(str(path.parent / "exploded")), path)


@pytest.mark.parametrize("name", ["checkpoint.pt", "best.pt"])
@pytest.mark.parametrize("damage", [lambda path: os.truncate(path, 1000), flip, folder, bomb])
def test_with_a_damaged_checkpoint_training_begins_anew_and_runs_no_code_of_it(
    random_log, settings_for, folders, damage, name, caplog
):
    settings, (whole, damaged) = settings_for(), folders
    expected = weights(random_log, settings, VALUES, whole)
    with pytest.raises(StopIteration):
        train(random_log, settings, by_epoch(VALUES[:1]), damaged)
    damage(damaged / name)
    assert_same(weights(random_log, settings, VALUES, damaged), expected)
    assert caplog.messages[0].startswith("training begins anew, its checkpoint cannot be used: ")
    assert not (damaged / "exploded").exists()


def test_with_a_checkpoint_of_other_content_training_begins_anew(random_log, settings_for, folders):
    settings, (whole, damaged) = settings_for(), folders
    expected = weights(random_log, settings, VALUES, whole)
    other_content(damaged / "checkpoint.pt")
    assert_same(weights(random_log, settings, VALUES, damaged), expected)


def test_best_weights_that_are_damaged_when_training_ends_are_a_sentence(towers, tmp_path):
    checkpoint.save_best(tmp_path, towers)
    other_content(tmp_path / "best.pt")
    with pytest.raises(ArtifactError, match=rf"best\.pt cannot be read \(Error.*\): delete {tmp_path} and train again"):
        checkpoint.load_best(tmp_path, towers)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_but_the_checkpoint_the_best_weights_and_the_accumulators_is_left(random_log, settings_for, tmp_path):
    train(random_log, settings_for(), by_epoch(VALUES), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accumulators.safetensors", "best.pt", "checkpoint.pt"]


def test_checkpoints_are_due_after_every_epoch_unless_saving_takes_too_much_of_the_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])

    def saved(took, epochs):
        """How many epochs of ten seconds pass until the next one is saved."""
        due = checkpoint.CheckpointDue()
        with due.timed():
            clock[0] += took
        for epoch in range(1, epochs):
            clock[0] += 10
            if due.now(last=False):
                return epoch
        return None if not due.now(last=True) else epochs

    assert saved(0.5, 9) == 1
    assert saved(0.9, 9) == saved(1.0, 9) == 1
    assert saved(3.0, 9) == 3
    assert saved(20.0, 9) == 9  # the last one always is
