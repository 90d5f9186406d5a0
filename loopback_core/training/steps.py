"""The steps of an epoch, taken by one process."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.examples import Batch, Examples
from loopback_core.training.optimizers import Stepper
from loopback_core.training.sampled import SampledBatch, SampledExamples


class Steps(Protocol):
    """What the loop needs of whoever takes the steps: one process, or several workers."""

    @property
    def examples(self) -> Examples | SampledExamples:
        """What makes the batches."""

    def begin(self, epoch: int) -> None:
        """Before the steps of an epoch. epoch: from 1."""

    def step(self, batch: Batch | SampledBatch) -> Tensor:
        """Take one; returns the loss, a scalar that is still on the device."""

    def end(self) -> None:
        """After the last step of the epoch: the model and the optimizers of the loop have the new weights."""


class OwnSteps:
    """Of a process that trains alone, on the model of the loop itself."""

    def __init__(
        self, model: TwoTower, optimizers: list[Stepper], examples: Examples | SampledExamples, precision: str
    ) -> None:
        self.model, self.optimizers, self.precision = model, optimizers, precision
        self._examples = examples

    @property
    def examples(self) -> Examples | SampledExamples:
        """See :class:`Steps`."""
        return self._examples

    def begin(self, epoch: int) -> None:
        """See :class:`Steps`."""
        if epoch > 1:  # untrained weights cannot tell which negatives are hard
            self.examples.refresh(self.model)
        seed_epoch(self.examples.settings.seed, epoch)
        self.model.train()

    def step(self, batch: Batch | SampledBatch) -> Tensor:
        """See :class:`Steps`."""
        return training_step(self.model, self.optimizers, batch.to(self.model.device), self.precision)

    def end(self) -> None:
        """See :class:`Steps`."""


def seed_epoch(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed the dropout of an epoch. rank: of the worker; each leaves out parts of its own."""
    torch.manual_seed(seed * 1_000_003 + epoch + rank * 1_000_000_007)


class Exchange:
    """What is exchanged with other workers during a step; here nothing."""

    def fetch(self, batch: Batch | SampledBatch) -> None:
        """Before the forward pass: get the rows of the tables that a batch reads."""

    def add_up(self, loss: Tensor) -> Tensor:
        """After the backward pass: give the dense weights the gradients of all; returns the loss of all."""
        return loss


NO_EXCHANGE = Exchange()


def training_step(
    model: TwoTower,
    optimizers: Sequence[Stepper],
    batch: Batch | SampledBatch,
    precision: str = "fp32",
    exchange: Exchange = NO_EXCHANGE,
) -> Tensor:
    """One step on one batch; returns the loss, still on the device. precision: as `training.precision`."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    exchange.fetch(batch)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bf16"):
        loss = batch.loss(model)
    torch.autograd.backward(loss)
    loss = exchange.add_up(loss.detach())
    for optimizer in optimizers:
        optimizer.step()
    model.bound_temperature()
    return loss
