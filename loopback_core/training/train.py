"""The training step of the chain: splits in, towers on disk out."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loopback_core.data import FitData
from loopback_core.data.names import TrackNames
from loopback_core.ranking.relations import Relations
from loopback_core.runtime.capacity import need_disk, need_memory
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.checkpoint import Progression
from loopback_core.training.loop import save_history, train
from loopback_core.training.search import search_recipe
from loopback_core.training.validation import Validation
from loopback_core.training.warm_start import ACCUMULATORS, SHARE_OF_EPOCHS, EarlierTraining, StartingWeights

log = logging.getLogger("loopback")

WORTH_A_REFIT = 0.02
"""Listens of validation, as a share of those of train, below which no other training is made for their sake: with one held-out
listen of each user they say little that is new, and histories hold them anyway."""

HOW_IT_RUNS = {"workers", "launcher"}
"""Settings of a training that say how it is run, not what is learned."""

TUNED = "tuned"
"""The folder, within that of the towers, of those that were trained on train alone."""

MEMORY_PER_LISTEN = 160
"""Bytes that training holds of each listen: histories, the plan of a pass, counts at every play."""


def train_towers(
    splits: Splits, settings: Settings, folder: Path, checkpoints: Path, earlier: EarlierTraining | None = None
) -> dict[str, Any]:
    """Train on train, choose recipe and epoch on validation; write weights, relations and history.

    With `training.refit` the weights are then those of another training, as long, on train and validation, where validation
    adds enough to be worth it. Those of train stay in TUNED: what is fitted on validation reads towers that have not seen it.

    folder: what is published. checkpoints: a folder that outlives a killed run. earlier: a training whose weights and
    recipe are begun with, where that is possible; the log says why it is not. Returns a summary that JSON can hold.
    """
    _look_for_room(splits, settings, checkpoints)
    given = settings.model_dump(mode="json", include={"towers", "training"}, exclude={"training": HOW_IT_RUNS})
    if earlier is not None and (obstacle := earlier.obstacle(splits, given)):
        log.warning("training begins anew: %s", obstacle)
        earlier = None
    search, tuned_start, start = None, None, None
    if earlier is not None:
        settings = as_long_as(with_settings_of(settings, earlier.summary), earlier.summary, SHARE_OF_EPOCHS)
        names = TrackNames(lambda: earlier.splits.track_names)
        tuned_start, start = (
            StartingWeights(towers, names) for towers in (tuned_towers(earlier.towers), earlier.towers)
        )
    elif settings.training.recipe == "search":
        search = search_recipe(splits.tuning_period, settings, checkpoints / "search")
        settings, checkpoints = search.chosen.settings(settings), search.checkpoints or checkpoints
    if len(splits.validation) < WORTH_A_REFIT * len(splits.train):
        settings = _with(settings, refit=False)
    if earlier is None:
        settings = bounded(settings, len(splits.train))
    validation = Validation(splits.tuning_period, settings)
    model, progression = train(splits.tuning, settings, validation, checkpoints, start=tuned_start)
    del validation  # free the memory of its histories and tables for the next step
    relations, refit = learn_relations(splits.tuning, settings), None
    if settings.training.refit:
        (folder / TUNED).mkdir()
        model.save(folder / TUNED)
        relations.save(folder / TUNED)
        copy_accumulators(checkpoints, folder / TUNED)
        del model, relations
        splits.forget()
        checkpoints /= "refit"
        model, relations, refit = train_again(splits.testing, settings, progression.best_epoch, checkpoints, start)
    model.save(folder)
    copy_accumulators(checkpoints, folder)
    relations.save(folder)
    save_history(progression, folder, refit)
    best = progression.history[progression.best_epoch - 1]
    return {
        "preset": settings.training.preset,
        "seed": settings.training.seed,
        "device": model.device.type,
        "epochs": len(progression.history),
        "best_epoch": progression.best_epoch,
        "best": asdict(best),
        "losses": [epoch.loss for epoch in progression.history],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocabulary": asdict(model.vocabulary),
        "refit": settings.training.refit,
        "search": None if search is None else search.as_json(),
        "epochs_from_new": progression.best_epoch if earlier is None else earlier.summary["epochs_from_new"],
        "is_warm": earlier is not None,
        "given": given,
        "settings": settings.model_dump(mode="json", include={"towers", "training"}),
    }


def train_again(
    data: FitData, settings: Settings, epochs: int, checkpoints: Path, start: StartingWeights | None = None
) -> tuple[TwoTower, Relations, Progression]:
    """Train on more data with what was chosen before: the recipe, and the number of passes over the data.

    settings: with the chosen recipe. start: the weights to begin with; None: new ones.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    model, progression = train(data, _with(settings, epochs=epochs), None, checkpoints, "refit, epoch", start)
    return model, learn_relations(data, settings), progression


def with_settings_of(settings: Settings, summary: Mapping[str, Any]) -> Settings:
    """The settings with those of a training, as its search chose them, whatever they say now. summary: of `train_towers`."""
    used = {name: summary["settings"][name] for name in ("towers", "training")}
    return Settings.model_validate({**settings.model_dump(), **used})


def as_long_as(settings: Settings, summary: Mapping[str, Any], share: float) -> Settings:
    """With as many epochs as this share of those that a training from new weights took. summary: of `train_towers`."""
    epochs = max(1, round(share * summary["epochs_from_new"]))
    return _with(settings, epochs=epochs, patience=epochs)


def copy_accumulators(checkpoints: Path, folder: Path) -> None:
    """Put them next to the weights, for a training that begins with these. checkpoints: of the training."""
    if (checkpoints / ACCUMULATORS).exists():
        shutil.copyfile(checkpoints / ACCUMULATORS, folder / ACCUMULATORS)


def tuned_towers(towers: Path) -> Path:
    """The folder of the towers that have not seen validation. towers: what :func:`train_towers` wrote."""
    return towers / TUNED if (towers / TUNED).exists() else towers


def _with(settings: Settings, **training: Any) -> Settings:
    return settings.model_copy(update={"training": settings.training.model_copy(update=training)})


def bounded(settings: Settings, listens: int) -> Settings:
    """With as many epochs as `training.listens` allows, and patience in the same proportion. listens: of the log.

    The epochs of a short log are cheap, and what validation says of one of them is noise: more of them are averaged.
    """
    training = settings.training
    if training.listens is None:
        return settings
    of_epoch = listens
    if training.objective == "sampled" and training.sampled.epoch_targets:
        of_epoch = min(listens, training.sampled.epoch_targets)
    epochs = min(training.epochs, -(-training.listens // max(of_epoch, 1)))
    return _with(settings, epochs=epochs, patience=max(1, round(training.patience * epochs / training.epochs)))


def _look_for_room(splits: Splits, settings: Settings, checkpoints: Path) -> None:
    """By the benchmark at full size; the tables are nearly all of the weights."""
    catalog, listens = splits.tuning.catalog, len(splits.train) + len(splits.validation)
    width = settings.towers.mlp.id_dim if settings.towers.track_encoder == "mlp" else settings.towers.output_dim
    tables = 4 * width * (catalog.n_tracks + catalog.n_artists)
    copies = 5 if settings.training.optimizer == "dense" else 3  # weights, their mean, and vectors or moments
    what = f"Training on {listens:,} listens of {catalog.n_tracks:,} tracks"
    need_memory(copies * tables + MEMORY_PER_LISTEN * listens, what, "lower towers.output_dim")
    need_disk(checkpoints, 5 * tables, what)


def learn_relations(data: FitData, settings: Settings) -> Relations:
    """The related artists and tracks of `data`; none where the towers alone are served."""
    if settings.training.scoring == "dot":
        return Relations()
    fitted = settings.training.fitted
    return Relations.learn(data, fitted.related_artists, fitted.neighbours)
