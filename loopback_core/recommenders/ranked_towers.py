"""The trained towers with all that puts their candidates in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from loopback_core.data import Floats
from loopback_core.ranking.corrector import Corrector
from loopback_core.ranking.corrector_files import CORRECTOR, load_correctors
from loopback_core.ranking.linear_ranker import RANKERS, LinearRanker, load_rankers
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import Scorer, scorer_of
from loopback_core.reranking.choosing import RERANKING, RerankingChoice, load_reranking
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import IN_CATALOG, LIKE
from loopback_core.towers.two_tower import TwoTower

RANKER_FILES = (RANKERS, RERANKING, CORRECTOR.format(task="*"))
"""Patterns of the names of all files that put candidates in order."""


@dataclass(frozen=True)
class Towers:
    """The towers of one training, and the score that is served with them."""

    model: TwoTower
    rankers: Mapping[str, LinearRanker]  # by task
    relations: Relations
    reranking: Mapping[str, RerankingChoice] = field(default_factory=dict)  # by task; the others are served as scored
    correctors: Mapping[str, Corrector] = field(default_factory=dict)  # by task; the others are in the linear order

    @classmethod
    def load(cls, towers: Path, ranker: Path) -> Self:
        """Read what :func:`loopback_core.training.train.train_towers` and `train_ranker` wrote.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        return cls(
            TwoTower.load(towers),
            load_rankers(ranker),
            Relations.load(towers),
            load_reranking(ranker),
            load_correctors(ranker),
        )

    def scorer(self, task: Task, vectors: Floats | None = None) -> Scorer:
        """The served score in a task. vectors: (n_tracks, D) of the catalog, where they are known already."""
        corrector = self.correctors.get(LIKE.get(task.name, task.name)) if task.name in IN_CATALOG else None
        ranker = self.rankers[task.name]
        return scorer_of(task, self.model, ranker, vectors, self.relations, corrector=corrector)
