"""The training step of the chain: splits in, towers on disk out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from loopback_core.evaluation.plots import plot_training
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.training.loop import save_history, train
from loopback_core.training.validation import Validation


def train_towers(splits: Splits, settings: Settings, folder: Path, checkpoints: Path) -> dict[str, Any]:
    """Train on train, choose the epoch on validation, write weights, history and the training curve into `folder`.

    checkpoints: a folder that outlives a killed run. Returns a summary that JSON can hold.
    """
    validation = Validation(splits, settings)
    model, progression = train(splits.tuning, settings, validation, checkpoints)
    model.save(folder)
    save_history(progression, folder)
    losses, metric = [epoch.loss for epoch in progression.history], settings.training.validation_metric
    values = [epoch.validation[metric] for epoch in progression.history]
    plot_training(losses, values, metric, folder / "training.png")
    best = progression.history[progression.best_epoch - 1]
    return {
        "preset": settings.training.preset,
        "seed": settings.training.seed,
        "device": model.device.type,
        "epochs": len(progression.history),
        "best_epoch": progression.best_epoch,
        "best": asdict(best),
        "losses": losses,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocabulary": asdict(model.vocabulary),
    }
