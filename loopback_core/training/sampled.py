"""Batches of the sampled softmax: requests, their targets, shared negatives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from loopback_core.data import FitData, Floats
from loopback_core.features.track_content import track_content
from loopback_core.settings import Settings
from loopback_core.towers.readers import HistoryReader, TrackReader
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import UserInputs
from loopback_core.training.losses import sampled_softmax
from loopback_core.training.negatives import NegativeSampler
from loopback_core.training.optional.hard_negatives import HardNegatives
from loopback_core.training.requests import RequestPlan, Requests
from loopback_core.training.step_parts import part_of


@dataclass(frozen=True)
class SampledBatch:
    """A requests with T targets and M shared negatives."""

    users: UserInputs  # of A requests
    tracks: TrackInputs  # the T targets, then the M negatives
    request: Tensor  # (T,) int64
    correction: Tensor  # (M,)
    false_negative: Tensor  # (A, M) bool
    weight: Tensor | None = None  # (T,) of each target in the loss; None: all the same
    share: float = 1.0  # of the step's loss: below 1 where other workers have the rest of it
    events: int = 0  # targets of the whole step

    def __len__(self) -> int:
        return len(self.request)

    def to(self, device: torch.device) -> "SampledBatch":
        """The same batch on `device`."""
        names = ("request", "correction", "false_negative")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        weight = None if self.weight is None else self.weight.to(device, non_blocking=True)
        return replace(self, users=self.users.to(device), tracks=self.tracks.to(device), weight=weight, **moved)

    def loss(self, model: TwoTower) -> Tensor:
        """The sampled softmax, a scalar; of workers that share a step the losses add up to that of the step.

        Of towers that do not meet in one product it is what they make of the batch.
        """
        if isinstance(model, OwnLoss):
            return self.share * model.loss_of(self)
        users, tracks = model(self.users, self.tracks)
        return self.share * sampled_softmax(
            users,
            tracks[: len(self)],
            self.request,
            tracks[len(self) :],
            model.inverse_temperature(),
            self.correction,
            self.false_negative,
            self.weight,
        )


@runtime_checkable
class OwnLoss(Protocol):
    """Towers whose score is more than one product of two vectors."""

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The loss of a batch, a scalar."""
        ...


class SampledExamples:
    """All listens of the fit data as targets of earlier moments, in seeded batches."""

    def __init__(self, data: FitData, settings: Settings, rank: int = 0, workers: int = 1) -> None:
        """rank: which part of every step is read, where `workers` share it."""
        self.settings, catalog = settings.training, data.catalog
        self._rank, self._workers = rank, workers
        self._plan = RequestPlan(data, settings.training)
        self._negatives = NegativeSampler(data, self._plan, settings.training)
        hard = settings.training.sampled.hard_share > 0  # off in the recipe
        self._hard = HardNegatives(data, self._plan, settings) if hard else None
        self._tracks = TrackReader(track_content(data, settings.towers), settings.towers)
        self._reader = HistoryReader(
            self._plan.histories, catalog.artist, catalog.n_tracks, catalog.n_artists, settings.towers
        )

    def __len__(self) -> int:
        return len(self._plan)

    def refresh(self, model: TwoTower) -> None:
        """Mine hard negatives with the weights as they are now; before the epoch, whose batches are made ahead."""
        if self._hard is not None:
            self._hard.mine(model)

    def epoch(self, epoch: int) -> Iterator[SampledBatch]:
        """A pass over the listens, or a part of one, in an order that depends on (seed, epoch) alone."""
        rng = np.random.default_rng([self.settings.seed, epoch, 1])
        for requests in self._plan.epoch(epoch):
            yield self.batch(requests, rng)

    def batch(self, requests: Requests, rng: np.random.Generator) -> SampledBatch:
        """Read the histories of the requests, or of this worker's part of them, and draw the negatives of the step."""
        of_step = requests
        if self._workers > 1:
            requests = part_of(of_step, self._rank, self._workers)
        weight = self._weight(requests)
        negatives = self._negatives.draw(requests, rng)
        if self._hard is not None:
            negatives = self._hard.joined(negatives, requests, rng)
        return SampledBatch(
            self._reader.read(requests.moments, requests.intent),
            self._tracks.read(np.concatenate([requests.target, negatives.tracks])),
            torch.from_numpy(requests.request),
            torch.from_numpy(negatives.correction),
            torch.from_numpy(negatives.false_negative),
            None if self.settings.sampled.repeat_weight == 1 else torch.from_numpy(weight),
            float(weight.sum() / max(self._weight(of_step).sum(), 1e-30)),
            len(of_step.target),
        )

    def _weight(self, requests: Requests) -> Floats:
        """(T,) of each target in the loss."""
        of_repeats = self.settings.sampled.repeat_weight
        return np.where(requests.is_repeat, of_repeats, 1.0).astype(np.float32)
