"""The training step of the chain: splits in, towers on disk out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from loopback_core.data import FitData
from loopback_core.features.track_content import track_content
from loopback_core.ranking.fit_requests import requests_of, together
from loopback_core.ranking.fitting import MOMENTS, REQUESTS, fit_ranker
from loopback_core.ranking.index_space import catalog_values
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, LinearRanker, save_rankers
from loopback_core.ranking.listwise import FitRequests
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import scorer_of
from loopback_core.reranking.choosing import RerankingChoice, choose_reranking, save_reranking
from loopback_core.reranking.versions import works_of
from loopback_core.retrieval.embed import track_vectors
from loopback_core.runtime.capacity import need_disk, need_memory
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.tasks.task_builders import IN_CATALOG, LIKE, TASKS
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.checkpoint import Progression
from loopback_core.training.loop import save_history, train
from loopback_core.training.search import search_recipe
from loopback_core.training.validation import Validation

WORTH_A_REFIT = 0.02
"""Listens of validation, as a share of those of train, below which no other training is made for their sake: with one held-out
listen of each user they say little that is new, and histories hold them anyway."""

MEMORY_PER_LISTEN = 160
"""Bytes that training holds of each listen: histories, the plan of a pass, counts at every play."""


def train_towers(splits: Splits, settings: Settings, folder: Path, checkpoints: Path) -> dict[str, Any]:
    """Train on train, choose recipe, epoch and rankers on validation; write weights, rankers and history.

    With `training.refit` the weights are then those of another training, as long, on train and validation, where validation
    adds enough to be worth it.

    folder: what is published. checkpoints: a folder that outlives a killed run. Returns a summary that JSON can hold.
    """
    _look_for_room(splits, settings, checkpoints)
    search = None
    if settings.training.recipe == "search":
        search = search_recipe(splits.tuning_period, settings, checkpoints / "search")
        settings, checkpoints = search.chosen.settings(settings), search.checkpoints or checkpoints
    if len(splits.validation) < WORTH_A_REFIT * len(splits.train):
        settings = _with(settings, refit=False)
    settings = bounded(settings, len(splits.train))
    validation = Validation(splits.tuning_period, settings)
    model, progression = train(splits.tuning, settings, validation, checkpoints)
    del validation  # free the memory of its histories and tables for the next step
    relations = learn_relations(splits.tuning, settings)
    rankers = fit_rankers(model, splits, settings, relations)
    reranking = choose_rerankings(model, splits, settings, relations, rankers)
    refit = None
    if settings.training.refit:
        del model
        splits.forget()
        model, relations, refit = train_again(splits.testing, settings, progression.best_epoch, checkpoints / "refit")
    model.save(folder)
    relations.save(folder)
    save_rankers(rankers, folder)
    save_reranking(reranking, folder)
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
        "scoring": {task: ranker.as_json() for task, ranker in rankers.items()},
        "reranking": {task: asdict(choice) for task, choice in reranking.items()},
        "refit": settings.training.refit,
        "search": None if search is None else search.as_json(),
        "settings": settings.model_dump(mode="json", include={"towers", "training", "reranking"}),
    }


def train_again(
    data: FitData, settings: Settings, epochs: int, checkpoints: Path
) -> tuple[TwoTower, Relations, Progression]:
    """Train on more data with what was chosen before: the recipe, and the number of passes over the data.

    settings: with the chosen recipe.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    model, progression = train(data, _with(settings, epochs=epochs), None, checkpoints, "refit, epoch")
    return model, learn_relations(data, settings), progression


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


def fit_rankers(model: TwoTower, splits: Splits, settings: Settings, relations: Relations) -> dict[str, LinearRanker]:
    """The ranker of each task; a task that validation cannot measure takes that of the task most like it."""
    if settings.training.scoring == "dot":
        return dict.fromkeys(TASKS, TOWERS_ALONE)
    evaluation = settings.evaluation
    vectors = track_vectors(model, track_content(splits.tuning, settings.towers))
    names = [task for task in TASKS if task not in LIKE]
    parts: dict[str, list[FitRequests]] = {name: [] for name in names}
    moments = MOMENTS if splits.tuning_period.begins_at_once else MOMENTS[:1]
    for number, share in enumerate(moments):  # one after the other: each holds the listens up to its moment
        period = splits.tuning_period.after(share)
        values, seed = catalog_values(period.fit), evaluation.seed + number  # other users at every moment
        for name in names:
            task = TASKS[name](period).sampled(REQUESTS // len(moments), seed)
            scorer = scorer_of(task, model, vectors=vectors, relations=relations, values=values)
            parts[name].append(requests_of(scorer, task, seed))
    fitted = {name: fit_ranker(name, together(parts[name]), evaluation.seed) for name in names}
    # The reference has no ranker: in its protocol the towers stand alone.
    return {name: fitted[LIKE.get(name, name)] for name in TASKS} | {"reference_protocol": TOWERS_ALONE}


def choose_rerankings(
    model: TwoTower, splits: Splits, settings: Settings, relations: Relations, rankers: dict[str, LinearRanker]
) -> dict[str, RerankingChoice]:
    """How lists of the catalog are re-ranked in each task, chosen at the first moment of validation.

    None where the towers alone are served: a reference is measured as it is.
    """
    if settings.training.scoring == "dot":
        return {}
    period, seed = splits.tuning_period, settings.evaluation.seed
    catalog = period.fit.catalog
    works = works_of(splits.track_names["track_name"].head(catalog.n_tracks), catalog.artist)
    vectors, values = track_vectors(model, track_content(period.fit, settings.towers)), catalog_values(period.fit)
    chosen: dict[str, RerankingChoice] = {}
    for name in (name for name in IN_CATALOG if name not in LIKE):
        task = TASKS[name](period)
        scorer = scorer_of(task, model, rankers[name], vectors, relations, values)
        chosen[name] = choose_reranking(scorer, task, works, settings.reranking, seed)
    return {name: chosen[LIKE.get(name, name)] for name in IN_CATALOG}
