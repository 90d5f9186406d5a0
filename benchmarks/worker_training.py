"""The training that benchmarks/workers.py measures: in a file of its own, since workers import it by its name."""

import resource
from dataclasses import dataclass
from pathlib import Path

from loopback_core.data import FitData
from loopback_core.settings import Settings
from loopback_core.training.loop import train


@dataclass(frozen=True)
class MeasuredEpochs:
    """Targets per second of every epoch, and the memory of the process at its peak, in MB."""

    rates: list[float]
    memory: float


def epochs_of(data: FitData, settings: Settings, checkpoints: Path) -> MeasuredEpochs:
    """Train without a validation."""
    checkpoints.mkdir(exist_ok=True)
    _, progression = train(data, settings, None, checkpoints)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return MeasuredEpochs([epoch.events_per_second for epoch in progression.history], peak)
