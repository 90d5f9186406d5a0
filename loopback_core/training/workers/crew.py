"""The leader tells the other workers what to do; they do it until there is nothing more."""

from dataclasses import dataclass, replace
from functools import partial

import polars as pl
from torch import Tensor

from loopback_core.data import FitData
from loopback_core.data.names import TrackNames
from loopback_core.runtime.prefetch import prefetch
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.examples import Batch
from loopback_core.training.optimizers import Stepper
from loopback_core.training.sampled import SampledBatch, SampledExamples
from loopback_core.training.workers.group import WorkerGroup
from loopback_core.training.workers.part import TrainingPart


@dataclass(frozen=True)
class Begin:
    """Order: a training begins."""

    data: FitData
    settings: Settings


@dataclass(frozen=True)
class RunEpoch:
    """Order: take the steps of this epoch."""

    number: int


class Crew:
    """The steps of a training as the leader of several workers takes them; obeys `training.steps.Steps`."""

    def __init__(
        self, group: WorkerGroup, data: FitData, settings: Settings, model: TwoTower, optimizers: list[Stepper]
    ) -> None:
        """model, optimizers: whole, those of the loop; they have the new weights after each epoch."""
        self.group, self.model, self.optimizers = group, model, optimizers
        group.send(Begin(_to_send(data, settings), settings))
        self.part = TrainingPart(data, settings, group)
        self.part.begin_with(model, optimizers)

    @property
    def examples(self) -> SampledExamples:
        """See :class:`loopback_core.training.steps.Steps`."""
        return self.part.examples

    def begin(self, epoch: int) -> None:
        """See :class:`loopback_core.training.steps.Steps`."""
        self.group.send(RunEpoch(epoch))
        self.part.begin_epoch(epoch)

    def step(self, batch: Batch | SampledBatch) -> Tensor:
        """See :class:`loopback_core.training.steps.Steps`."""
        return self.part.step(batch)

    def end(self) -> None:
        """See :class:`loopback_core.training.steps.Steps`."""
        self.part.end_with(self.model, self.optimizers)


def dismiss(group: WorkerGroup) -> None:
    """Tell the others that there is nothing more to do. Of the leader."""
    group.send()


def follow(group: WorkerGroup) -> None:
    """Do what the leader says until it dismisses the workers. Of all but the leader."""
    part: TrainingPart | None = None
    while (order := group.send()) is not None:
        if isinstance(order, Begin):
            part = TrainingPart(order.data, order.settings, group)
            part.begin_with(None, [])
        else:
            assert part is not None
            part.begin_epoch(order.number)
            for batch in prefetch(part.examples.epoch(order.number)):
                part.step(batch)
            part.end_with(None, [])


def _to_send(data: FitData, settings: Settings) -> FitData:
    """The data without what was computed from it, and with names only where they are read."""
    names: TrackNames | None = None
    if data.names is not None and settings.towers.sum.ngram_buckets:
        names = TrackNames(partial(_given, data.names.frame))
    return replace(data, events=replace(data.events, published=None), catalog=replace(data.catalog), names=names)


def _given(frame: pl.DataFrame) -> pl.DataFrame:
    return frame
