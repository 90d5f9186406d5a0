"""What a training begins with: towers for the ids of a log, their optimizers, and the examples."""

from collections.abc import Callable

import numpy as np
import torch

from loopback_core.data import FitData
from loopback_core.features.track_content import track_content
from loopback_core.settings import Settings
from loopback_core.towers.track import SumTrackTower
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.training.examples import Examples
from loopback_core.training.optimizers import Stepper, make_optimizers
from loopback_core.training.sampled import SampledExamples
from loopback_core.training.warm_start import StartingWeights

MakeTowers = Callable[[Vocabulary, Settings], TwoTower]
"""Freshly initialised towers for the ids of a vocabulary; the random numbers are seeded before the call."""


def make_towers(vocabulary: Vocabulary, settings: Settings) -> TwoTower:
    """Towers that this training would make for these ids."""
    training = settings.training
    return TwoTower(
        vocabulary,
        settings.towers,
        sparse=training.optimizer == "sparse",
        temperature=training.temperature,
        max_inverse_temperature=training.max_inverse_temperature,
    )


def set_up(
    data: FitData,
    settings: Settings,
    device: torch.device,
    start: StartingWeights | None = None,
    make: MakeTowers = make_towers,
) -> tuple[TwoTower, list[Stepper]]:
    """Towers for the ids of `data`, on `device`, with their optimizers; freshly initialised and seeded, or from `start`."""
    training = settings.training
    torch.manual_seed(training.seed)  # on the CPU, so that every device starts from the same weights
    content, catalog = track_content(data, settings.towers), data.catalog
    model = make(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists, *content.widths), settings)
    if isinstance(model.tracks, SumTrackTower) and model.tracks.content is not None:
        model.tracks.content.standardise(content.dense(np.arange(catalog.n_tracks)))
    model = model.to(device)
    optimizers = make_optimizers(model, training)
    if start is not None and data.names is not None:
        start.put_into(model, optimizers, data.names)
    return model, optimizers


def make_examples(data: FitData, settings: Settings) -> Examples | SampledExamples:
    """What `training.objective` trains on."""
    if settings.training.objective == "sampled":
        return SampledExamples(data, settings)
    return Examples(data, settings.training)
