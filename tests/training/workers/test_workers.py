"""Several workers learn what one learns: the same losses and weights, from the same batches, also over a kill."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from forked_group import run_forked

from loopback_core.data import FitData
from loopback_core.errors import DivergedError, SettingsError
from loopback_core.settings import Settings, load_settings
from loopback_core.training.loop import train
from loopback_core.training.workers import launching
from loopback_core.training.workers.crew import Crew
from loopback_core.training.workers.launching import on_workers

HSTU = {
    "user_encoder": "hstu",
    "track_encoder": "sum",
    "output_dim": 8,
    "sum": {"id_dropout": 0.0},
    "pooled": {"dropout": 0.0},
    "hstu": {"window": 8, "dropout": 0.0, "own_tables": True},
}
POOLED = {key: value for key, value in HSTU.items() if key != "hstu"} | {"user_encoder": "pooled"}


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    monkeypatch.setitem(
        launching.LAUNCHERS, "torchrun", lambda call, answer, workers: run_forked(workers, call, answer)
    )


def settings_of(towers=HSTU, workers=1, **training):
    chosen = {
        "objective": "sampled",
        "optimizer": "sparse",
        "batch_size": 64,
        "epochs": 3,
        "patience": 3,
        "workers": workers,
        "validation_metric": "hits",
        "average_epochs": True,
        "device": "cpu",
        "sampled": {"negatives": 40, "request_stride": 4, "target_window": 6, "users_per_group": 6},
    }
    given = {"towers": towers, "training": {"preset": "reference", **chosen, **training}}
    return load_settings(given, environ={})


def no_hits(model):
    return {"hits": 0.0 if next(model.parameters()).isnan().any() else 1.0}


@dataclass
class DiesAfter:
    """A validation that ends its process in this epoch, once."""

    epoch: int
    mark: Path

    def __call__(self, model):
        seen = int(self.mark.read_text()) if self.mark.exists() else 0
        self.mark.write_text(str(seen + 1))
        if seen + 1 == self.epoch:
            raise KeyboardInterrupt
        return {"hits": 1.0 + seen}


def losses_and_weights(data: FitData, settings: Settings, folder: Path, validate=no_hits):
    folder.mkdir(exist_ok=True)
    model, progression = train(data, settings, validate, folder)
    return [epoch.loss for epoch in progression.history], model.state_dict()


def trained(data, settings, folder, validate=no_hits):
    arguments = (data, settings, folder / "checkpoints", validate)
    folder.mkdir(exist_ok=True)
    return on_workers(losses_and_weights, arguments, settings.training, folder)


def assert_same(one, other):
    np.testing.assert_allclose(one[0], other[0], atol=1e-5)
    for name, weight in one[1].items():
        torch.testing.assert_close(
            weight, other[1][name], atol=1e-4, rtol=1e-4, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize(("towers", "workers"), [(HSTU, 2), (POOLED, 2), (HSTU, 3)], ids=["hstu", "pooled", "three"])
def test_workers_have_the_losses_and_the_weights_of_one_process(random_log, tmp_path, towers, workers):
    alone = trained(random_log, settings_of(towers), tmp_path / "one")
    together = trained(random_log, settings_of(towers, workers), tmp_path / "several")
    assert len(alone[0]) == 3
    assert alone[0][2] < alone[0][0]
    assert_same(alone, together)


def test_weights_of_targets_are_shared_out_as_they_weigh(random_log, tmp_path):
    sampled = {"negatives": 40, "request_stride": 4, "target_window": 6, "repeat_weight": 0.3}
    alone = trained(random_log, settings_of(epochs=1, sampled=sampled), tmp_path / "one")
    together = trained(random_log, settings_of(workers=2, epochs=1, sampled=sampled), tmp_path / "two")
    assert_same(alone, together)


@pytest.mark.parametrize("after", [1, 4])
def test_a_checkpoint_of_two_workers_is_taken_up_by_any_number_of_them(random_log, tmp_path, after):
    whole = trained(random_log, settings_of(), tmp_path / "whole")
    dies = DiesAfter(2, tmp_path / "seen")
    with pytest.raises(AssertionError):  # the first worker dies in its second epoch, and takes the other with it
        trained(random_log, settings_of(workers=2), tmp_path / "killed", dies)
    resumed = trained(random_log, settings_of(workers=after), tmp_path / "killed")
    assert_same(whole, resumed)


def test_dropout_differs_between_workers_and_the_same_workers_repeat_themselves(random_log, tmp_path):
    towers = HSTU | {"sum": {"id_dropout": 0.4}}
    first = trained(random_log, settings_of(towers, 2), tmp_path / "first")
    again = trained(random_log, settings_of(towers, 2), tmp_path / "again")
    assert first[0] == again[0]
    assert all(torch.equal(weight, again[1][name]) for name, weight in first[1].items())


def never():
    raise AssertionError("called again")


def test_workers_that_are_started_again_after_the_outcome_was_written_end_with_it(tmp_path):
    call, answer = tmp_path / "call", tmp_path / "answer"
    call.write_bytes(pickle.dumps((never, (), None)))
    answer.write_bytes(b"written before")
    run_forked(2, call, answer)
    assert answer.read_bytes() == b"written before"


def diverges(model):
    raise DivergedError("Lower the learning rate.")


def test_a_sentence_for_the_user_comes_back_from_the_workers(random_log, tmp_path):
    with pytest.raises(DivergedError, match="Lower the learning rate"):
        trained(random_log, settings_of(workers=2), tmp_path, diverges)


def test_an_error_in_the_middle_of_an_epoch_leaves_no_worker_waiting(random_log, tmp_path, monkeypatch):
    monkeypatch.setattr(Crew, "step", lambda crew, batch: diverges(crew.model))  # of the first worker alone
    with pytest.raises(DivergedError, match="Lower the learning rate"):
        trained(random_log, settings_of(workers=2), tmp_path)


@pytest.mark.parametrize("given", [{"preset": "reference"}, {"optimizer": "dense"}, {"sampled": {"hard_share": 0.5}}])
def test_what_workers_cannot_share_is_refused_by_the_settings(given):
    with pytest.raises(SettingsError, match=r"training\.workers = 2 needs"):
        load_settings({"training": {"preset": "default", "recipe": "given", "workers": 2, **given}}, environ={})
