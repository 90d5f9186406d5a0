"""The score of a task with towers that were not trained."""

import torch

from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import Scorer, scorer_of
from loopback_core.settings import TowersSettings
from loopback_core.tasks.task import Task
from loopback_core.towers.two_tower import TwoTower, Vocabulary


def untrained_scorer(task: Task) -> Scorer:
    """With relations that are learned from the fit data of the task."""
    catalog = task.fit.catalog
    torch.manual_seed(0)
    vocabulary = Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists)
    model = TwoTower(vocabulary, TowersSettings(output_dim=8)).eval()
    return scorer_of(task, model, relations=Relations.learn(task.fit, 100, 20))
