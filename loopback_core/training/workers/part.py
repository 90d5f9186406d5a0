"""What one worker does of a training: a part of every batch, with its share of the tables."""

from typing import Any

import torch
from torch import Tensor

from loopback_core.data import FitData
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.training.device import choose_device
from loopback_core.training.examples import Batch
from loopback_core.training.optimizers import RowwiseAdagrad, Stepper, adamw
from loopback_core.training.sampled import SampledBatch, SampledExamples
from loopback_core.training.set_up import make_towers
from loopback_core.training.steps import Exchange, seed_epoch, training_step
from loopback_core.training.workers.batch_ids import ids_of_batch
from loopback_core.training.workers.group import WorkerGroup
from loopback_core.training.workers.sharded_table import ShardedTable, gather_rows, spread_rows

DENSE, ADAMW, VOCABULARY = "dense", "adamw", "vocabulary"


class TrainingPart(Exchange):
    """The same on every worker: all that is no table is there as a copy, moved by the gradients of all.

    Every worker reads its own requests of a step against all negatives of the step, so that the sum of the losses, each
    with its share of the step's weight, is the loss of one process on the whole batch. Only dropout differs.
    """

    def __init__(self, data: FitData, settings: Settings, group: WorkerGroup) -> None:
        self.settings, self.group = settings.training, group
        self.device = choose_device(settings.training.device)
        self.examples = SampledExamples(data, settings, group.rank, group.size)
        self._all_settings = settings

    def begin_with(self, whole: TwoTower | None, optimizers: list[Stepper]) -> None:
        """Take the weights and the state of the optimizers from the leader. whole, optimizers: of the leader alone."""
        sent = self.group.send(None if whole is None else _small_state(whole, optimizers))
        with torch.device("meta"):  # the tables in full would be the memory that is to be shared
            self.model = make_towers(Vocabulary(**sent[VOCABULARY]), self._all_settings)
        tables = self.model.embeddings()
        self.tables = [ShardedTable(table, table.weight.shape[1], self.group, self.device) for table in tables]
        self.model.load_state_dict(sent[DENSE], strict=False, assign=True)
        self.model = self.model.to(self.device)
        in_tables = {id(table.weight) for table in tables}
        self.dense = [parameter for parameter in self.model.parameters() if id(parameter) not in in_tables]
        self.adamw = adamw(self.dense, self.settings)
        self.adamw.load_state_dict(sent[ADAMW])
        self.adagrad = RowwiseAdagrad(self.tables, self.settings.embedding_learning_rate)
        for of_whole, share, rows in self._shares(whole, optimizers):
            spread_rows(of_whole, share, rows, self.group)

    def end_with(self, whole: TwoTower | None, optimizers: list[Stepper]) -> None:
        """Give the leader the weights and the state of the optimizers."""
        for of_whole, share, rows in self._shares(whole, optimizers):
            gather_rows(of_whole, share, rows, self.group)
        if whole is not None:
            whole.load_state_dict(_without_tables(self.model), strict=False)
            optimizers[0].load_state_dict(self.adamw.state_dict())

    def begin_epoch(self, number: int) -> None:
        """Seed what the worker leaves out in training."""
        seed_epoch(self.settings.seed, number, self.group.rank)
        self.model.train()

    def step(self, batch: Batch | SampledBatch) -> Tensor:
        """One step, together with the others; returns the loss of the whole batch."""
        precision = self.settings.precision
        optimizers: list[Stepper] = [self.adamw, self.adagrad]
        return training_step(self.model, optimizers, batch.to(self.device), precision, exchange=self)

    def fetch(self, batch: Batch | SampledBatch) -> None:
        """See :class:`Exchange`."""
        assert isinstance(batch, SampledBatch)  # the settings check it
        ids = ids_of_batch(batch)
        for table in self.tables:
            table.fetch(ids[table.table.of])

    @torch.no_grad()
    def add_up(self, loss: Tensor) -> Tensor:
        """See :class:`Exchange`. One message for all of it.

        A weight that no worker read keeps no gradient, so that AdamW leaves it alone as it would in one process.
        """
        sizes = [parameter.numel() for parameter in self.dense]
        own = [torch.zeros_like(one) if one.grad is None else one.grad for one in self.dense]
        is_read = loss.new_tensor([one.grad is not None for one in self.dense])
        total = self.group.add_up(torch.cat([loss.reshape(1), is_read, *(gradient.flatten() for gradient in own)]))
        flags, gradients = total[1 : 1 + len(sizes)].tolist(), torch.split(total[1 + len(sizes) :], sizes)
        for parameter, flag, gradient in zip(self.dense, flags, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter) if flag else None
        return total[0]

    def _shares(self, whole: TwoTower | None, optimizers: list[Stepper]) -> list[tuple[Tensor | None, Tensor, int]]:
        """Tables, then accumulators: all rows, on the leader; those of this worker; how many there are in all."""
        with torch.no_grad():
            shares = [(table.weight.data, table.rows) for table in self.tables]
            shares += [(own, table.rows) for own, table in zip(self.adagrad.accumulators, self.tables, strict=True)]
        if whole is None:
            return [(None, share, rows) for share, rows in shares]
        adagrad = optimizers[1]
        assert isinstance(adagrad, RowwiseAdagrad)  # the settings check it
        of_whole = [table.weight.data for table in whole.embeddings()] + adagrad.accumulators
        return [(all_rows, share, rows) for all_rows, (share, rows) in zip(of_whole, shares, strict=True)]


def _small_state(whole: TwoTower, optimizers: list[Stepper]) -> dict[str, Any]:
    """All that every worker has a copy of."""
    dense = {name: tensor.detach().cpu().clone() for name, tensor in _without_tables(whole).items()}
    return {VOCABULARY: vars(whole.vocabulary), DENSE: dense, ADAMW: optimizers[0].state_dict()}


def _without_tables(model: TwoTower) -> dict[str, Tensor]:
    in_tables = {table.weight.data_ptr() for table in model.embeddings()}
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.data_ptr() not in in_tables}
