"""The training loop: epochs, validation, early stopping, checkpoints."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch

from loopback_core.data import FitData
from loopback_core.errors import DivergedError
from loopback_core.runtime.prefetch import prefetch
from loopback_core.runtime.progress import progress
from loopback_core.runtime.unused_memory import give_back_memory
from loopback_core.settings import Settings, TrainingSettings
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.averaging import averaged
from loopback_core.training.checkpoint import (
    CheckpointDue,
    Epoch,
    Progression,
    load_best,
    load_checkpoint,
    save_best,
    save_checkpoint,
)
from loopback_core.training.device import choose_device
from loopback_core.training.examples import Batch
from loopback_core.training.optimizers import Stepper
from loopback_core.training.sampled import SampledBatch
from loopback_core.training.set_up import MakeTowers, make_examples, make_towers, set_up
from loopback_core.training.steps import OwnSteps, Steps
from loopback_core.training.warm_start import ACCUMULATORS, StartingWeights, save_accumulators
from loopback_core.training.workers.crew import Crew
from loopback_core.training.workers.group import current_group

log = logging.getLogger("loopback")

Validate = Callable[[TwoTower], dict[str, float]]


def train(
    data: FitData,
    settings: Settings,
    validate: Validate | None,
    checkpoints: Path,
    what: str = "epoch",
    start: StartingWeights | None = None,
    make: MakeTowers = make_towers,
) -> tuple[TwoTower, Progression]:
    """Train the towers on `data`, and return them with the weights of the best epoch and their history.

    validate: measures the model after each epoch; its value under `training.validation_metric` picks the best one. With
    None the last epoch is kept.
    checkpoints: a folder that outlives a killed run. A run that finds a checkpoint there goes on after it and ends in
    the same weights as one that was never killed: whatever is random is seeded by (seed, epoch).
    what: how an epoch is called in the log. start: the weights to begin with; None: new ones. make: the towers; those with
    a loss of their own obey :class:`loopback_core.training.sampled.OwnLoss`, and are trained by this process alone.

    The accumulators of the optimizer are left in `checkpoints`, as ACCUMULATORS.
    """
    training = settings.training
    device = choose_device(training.device)
    model, optimizers = set_up(data, settings, device, start, make)
    progression = load_checkpoint(checkpoints, model, optimizers)
    if progression is None:
        model, optimizers = set_up(data, settings, device, start, make)
        progression = Progression()
    if progression.history:
        log.info("training goes on after epoch %d, from its checkpoint", progression.history[-1].epoch)
    steps = _steps(data, settings, model, optimizers, shared=make is make_towers)
    due = CheckpointDue()
    for number in range(len(progression.history) + 1, training.epochs + 1):
        if _out_of_patience(progression, training):
            log.info("stopping: no better %s for %d epochs", training.validation_metric, training.patience)
            break
        epoch = _epoch(number, model, steps, what)
        give_back_memory()  # the plan of a pass is large, and so is a validation
        mean = averaged(model, progression.mean_weights, number - 1) if training.average_epochs else nullcontext()
        with mean, torch.no_grad():
            is_best = _note(
                replace(epoch, validation=validate(model.eval()) if validate else {}), progression, training, what
            )
            if is_best and (validate or number == training.epochs):  # without a validation the last one is the best
                save_best(checkpoints, model)
        give_back_memory()
        if due.now(last=number == training.epochs):
            with due.timed():
                save_checkpoint(checkpoints, model, optimizers, progression)
    progression.mean_weights.clear()
    save_accumulators(model, optimizers, checkpoints / ACCUMULATORS)
    load_best(checkpoints, model)
    for table in model.embeddings():
        table.settle_unknown()
    return model.eval(), progression


def _steps(data: FitData, settings: Settings, model: TwoTower, optimizers: list[Stepper], *, shared: bool) -> Steps:
    """Taken by this process, or, where they are `shared`, by all workers of the group in which it leads."""
    if shared and (group := current_group()) is not None:
        return Crew(group, data, settings, model, optimizers)
    return OwnSteps(model, optimizers, make_examples(data, settings), settings.training.precision)


def _epoch(number: int, model: TwoTower, steps: Steps, what: str) -> Epoch:
    losses, events, started, examples = [], 0, time.monotonic(), steps.examples
    steps.begin(number)
    with progress(f"{what} {number} of {examples.settings.epochs}", len(examples), "events") as shown:
        batches: Iterator[Batch | SampledBatch] = examples.epoch(number)
        for batch in prefetch(batches):
            loss = steps.step(batch)
            losses.append(loss)
            events += batch.events
            shown.advance(batch.events, f"loss {loss.item():.3f}")
    steps.end()
    seconds = time.monotonic() - started
    mean_loss = float(torch.stack(losses).mean())
    if not math.isfinite(mean_loss):
        raise DivergedError(
            f"The loss of epoch {number} is not finite: lower training.learning_rate or "
            "training.embedding_learning_rate and train again."
        )
    temperature = 1 / float(model.inverse_temperature().detach())
    return Epoch(number, mean_loss, temperature, seconds, events / seconds, {})


def _note(epoch: Epoch, progression: Progression, settings: TrainingSettings, what: str) -> bool:
    """Add the epoch to the history; whether it is the best so far."""
    progression.history.append(epoch)
    # Without a validation the last epoch is the best.
    value = epoch.validation[settings.validation_metric] if epoch.validation else float(epoch.epoch)
    metric = f", {settings.validation_metric} {value:.4f}" if epoch.validation else ""
    log.info("%s %d: loss %.4f%s", what, epoch.epoch, epoch.loss, metric)
    is_best = value > progression.best_value + settings.min_gain * max(progression.best_value, 0)
    if is_best:
        progression.best_epoch, progression.best_value = epoch.epoch, value
    return is_best


def _out_of_patience(progression: Progression, settings: TrainingSettings) -> bool:
    return len(progression.history) - progression.best_epoch >= settings.patience and bool(progression.history)


def save_history(progression: Progression, folder: Path, refit: Progression | None = None) -> None:
    """Write `history.json`: one row per epoch, and which was the best; with them the epochs of the refit."""
    content = {"best_epoch": progression.best_epoch, "epochs": [asdict(epoch) for epoch in progression.history]}
    if refit:
        content["refit"] = [asdict(epoch) for epoch in refit.history]
    (folder / "history.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
