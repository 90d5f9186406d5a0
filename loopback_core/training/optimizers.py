"""The optimizers: dense AdamW, and row-wise Adagrad for the embedding rows that a batch touched."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from loopback_core.settings import TrainingSettings
from loopback_core.towers.two_tower import TwoTower


class Stepper(Protocol):
    """What the loop needs of an optimizer; torch's own obey it."""

    def step(self) -> Any:
        """Apply the gradients."""

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values to resume from."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume."""


class RowTable(Protocol):
    """A table, or a worker's share of one, of which a step moves the rows that it read."""

    @property
    def weight(self) -> torch.Tensor:
        """(rows, dim)."""

    def gradient(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The rows that were read since the last step, each once, and their summed gradients; None: nothing was read."""

    def forget(self) -> None:
        """Let go of what was read."""


class RowwiseAdagrad:
    """Adagrad with one accumulator per embedding row, the mean of the row's squared gradients.

    (Duchi et al. 2011; row-wise as in Naumov et al. 2019, DLRM.) A step costs what the touched rows cost, however
    large the tables are; AdamW would move every row of every table and both its moments. However often a step looks a
    row up, it moves once, by the sum of its gradients.
    """

    def __init__(self, tables: Sequence[RowTable], learning_rate: float, epsilon: float = 1e-8) -> None:
        self.tables, self.learning_rate, self.epsilon = tables, learning_rate, epsilon
        self.accumulators = [torch.zeros(len(table.weight), device=table.weight.device) for table in tables]

    @torch.no_grad()
    def step(self) -> None:
        """Move the touched rows."""
        for table, accumulator in zip(self.tables, self.accumulators, strict=True):
            if (touched := table.gradient()) is None:
                continue
            rows, gradient = touched
            accumulated = accumulator[rows] + gradient.square().mean(dim=1)
            accumulator[rows] = accumulated
            scale = -self.learning_rate / (accumulated.sqrt() + self.epsilon)
            table.weight.index_add_(0, rows, scale[:, None] * gradient)

    def zero_grad(self) -> None:
        """Forget which rows were touched."""
        for table in self.tables:
            table.forget()

    def state_dict(self) -> dict[str, Any]:
        """The accumulators."""
        return {"accumulators": self.accumulators}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume."""
        for mine, saved in zip(self.accumulators, state["accumulators"], strict=True):
            mine.copy_(saved)


def make_optimizers(model: TwoTower, settings: TrainingSettings) -> list[Stepper]:
    """The optimizers that together move every weight."""
    if settings.optimizer == "dense":
        return [adamw(list(model.parameters()), settings)]
    tables = model.embeddings()
    in_tables = {id(table.weight) for table in tables}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in in_tables]
    return [adamw(rest, settings), RowwiseAdagrad(tables, settings.embedding_learning_rate)]


def adamw(parameters: list[torch.nn.Parameter], settings: TrainingSettings) -> torch.optim.AdamW:
    """The optimizer of all that is no table."""
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
