"""Checkpoints: where a killed training run goes on from."""

import logging
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from loopback_core.errors import ArtifactError
from loopback_core.store.atomic import replacing
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.optimizers import Stepper

log = logging.getLogger("loopback")

LAST, BEST = "checkpoint.pt", "best.pt"

SHORT = 1.0
"""Seconds that saving may take after every epoch."""


@dataclass(frozen=True)
class Epoch:
    """One row of the training history."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's batches, nats
    temperature: float
    seconds: float  # training alone, without validation
    events_per_second: float
    validation: dict[str, float]  # task/metric@K -> value


@dataclass
class Progression:
    """The progress of a training."""

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0  # 0: none yet
    best_value: float = -1.0
    mean_weights: dict[str, torch.Tensor] = field(default_factory=dict)  # over the epochs; empty: not wanted


class CheckpointDue:
    """After which epochs to save: after each, unless that takes seconds and more than a tenth of the time.

    A run that is killed loses no more than the epochs since.
    """

    def __init__(self) -> None:
        self._ended, self._took = time.monotonic(), 0.0

    def now(self, *, last: bool) -> bool:
        """Whether to save after this epoch. last: there is none after it."""
        return last or self._took < SHORT or time.monotonic() - self._ended >= 10 * self._took

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the time of the saving."""
        started = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._took = self._ended - started


def save_checkpoint(folder: Path, model: TwoTower, optimizers: list[Stepper], progression: Progression) -> None:
    """Write all that the next epoch depends on; the old checkpoint stays until the new one is whole."""
    content = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "progression": vars(progression) | {"history": [asdict(epoch) for epoch in progression.history]},
    }
    _save(content, folder / LAST)


def load_checkpoint(folder: Path, model: TwoTower, optimizers: list[Stepper]) -> Progression | None:
    """Put the state back into `model` and `optimizers`; an empty progression when there is no checkpoint.

    None when it cannot be used (the log says why): damaged, or of other towers. Then `model` and `optimizers` may be
    half loaded, and the training has to be set up anew.
    """
    if not (folder / LAST).exists():
        return Progression()
    try:
        if (folder / BEST).exists():
            _load(folder / BEST)  # read when training ends, too late to start again
        content = _load(folder / LAST)
        model.load_state_dict(content["model"])
        for optimizer, state in zip(optimizers, content["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        progression = content["progression"]
        return Progression(**progression | {"history": [Epoch(**epoch) for epoch in progression["history"]]})
    except Exception as error:  # pickle, zip and torch each raise errors of their own
        log.warning("training begins anew, its checkpoint cannot be used: %s", str(error).partition("\n")[0])
        return None


def save_best(folder: Path, model: TwoTower) -> None:
    """Keep the weights of the best epoch so far: on disk, since memory has no room for a third copy of large tables.

    Written before the checkpoint that says so. A run killed in between does the epoch again, and ends it in the same
    weights.
    """
    _save(model.state_dict(), folder / BEST)


def load_best(folder: Path, model: TwoTower) -> None:
    """Put them into `model`.

    Raises:
        ArtifactError: they are damaged.
    """
    try:
        model.load_state_dict(_load(folder / BEST))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ArtifactError(f"{folder / BEST} cannot be read ({reason}): delete {folder} and train again.") from error


def _save(content: dict[str, Any], path: Path) -> None:
    with replacing(path) as new:
        torch.save(content, new)


def _load(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():  # torch does not compare the checksums
            raise ArtifactError(f"{path} is damaged ({damaged})")
    # weights_only: a checkpoint holds tensors and plain values, and loading it runs no code of its own.
    # On the CPU, where torch wants its step counts; the rest is copied to where the model is. Mapped into memory, so
    # that what is copied is not held twice.
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return content
