"""Which recipe fits a log: all are trained for a short while, the better half for longer, until one is left."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loopback_core.settings import Settings
from loopback_core.splits.period_sample import sample_of
from loopback_core.tasks.period import Period
from loopback_core.training.device import choose_device
from loopback_core.training.loop import train
from loopback_core.training.recipes import MOST_LISTENS_IN_ORDER, Recipe, recipes_for
from loopback_core.training.validation import Validation

log = logging.getLogger("loopback")


@dataclass(frozen=True)
class RecipeTrial:
    """A recipe in one round of the search."""

    recipe: str
    epochs: int  # trained so far
    value: float  # of `training.validation_metric`, after the last of them
    seconds: float  # of training so far, without validation


@dataclass(frozen=True)
class Search:
    """What a search compared, and what it chose."""

    metric: str
    listens: int  # of the fit data, or of the users drawn from it
    trials: list[RecipeTrial]
    chosen: Recipe
    checkpoints: Path | None  # of the chosen recipe, where it was trained on all of the fit data

    def as_json(self) -> dict[str, Any]:
        """For the manifest and the report."""
        trials = [asdict(trial) for trial in self.trials]
        return {"metric": self.metric, "listens": self.listens, "chosen": self.chosen.name, "trials": trials}


def search_recipe(period: Period, settings: Settings, checkpoints: Path) -> Search:
    """Successive halving (Jamieson & Talwalkar 2016) over the recipes for this log, by validation.

    Each round trains every recipe that is left twice as long as the one before, and keeps the better half. Recipes whose
    epochs cost less have more of them, so that all are compared after about the same time. A long log is represented by some of its users. checkpoints: a folder that outlives a killed run, which goes on where
    it stopped.
    """
    training = settings.training
    left = recipes_of_log(period, settings)
    sample = sample_of(period, training.search.listens, training.seed)
    folders = {recipe.name: checkpoints / str(number) for number, recipe in enumerate(left)}
    trials: list[RecipeTrial] = []
    epochs, dearest = training.search.epochs, max(recipe.cost for recipe in left)
    while len(left) > 1:
        of_round = [
            _try(recipe, sample, settings, min(epochs * dearest // recipe.cost, training.epochs), folders[recipe.name])
            for recipe in left
        ]
        trials += of_round
        ranked = sorted(range(len(left)), key=lambda i: -of_round[i].value)
        left = [left[i] for i in sorted(ranked[: (len(left) + 1) // 2])]
        epochs *= 2
    log.info("the recipe for this log: %s", left[0].name)
    own = folders[left[0].name] if sample is period and trials else None
    return Search(training.validation_metric, len(sample.fit.events), trials, left[0], own)


def recipes_of_log(period: Period, settings: Settings) -> list[Recipe]:
    """The recipes that are compared on this log, on the device of the settings."""
    on_cpu = choose_device(settings.training.device).type == "cpu"
    return recipes_for(period, in_order=not on_cpu or len(period.fit.events) <= MOST_LISTENS_IN_ORDER)


def _try(recipe: Recipe, sample: Period, settings: Settings, epochs: int, folder: Path) -> RecipeTrial:
    done = folder / f"after-{epochs}.json"
    if done.exists():
        return RecipeTrial(**json.loads(done.read_text("utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    chosen = recipe.settings(settings)
    as_long = chosen.model_copy(
        update={"training": chosen.training.model_copy(update={"epochs": epochs, "patience": epochs})}
    )
    _, progression = train(sample.fit, as_long, Validation(sample, as_long), folder, f"search, {recipe.name}, epoch")
    value = progression.history[-1].validation[settings.training.validation_metric]
    trial = RecipeTrial(recipe.name, epochs, value, sum(epoch.seconds for epoch in progression.history))
    log.info("%s, %d epochs: %s %.4f", trial.recipe, epochs, settings.training.validation_metric, value)
    done.write_text(json.dumps(asdict(trial)), "utf-8")
    return trial
