"""The base class of the baselines."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, FitData, Histories, Ragged, Ranking
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import IN_CATALOG

REPEATS_ALLOWED = frozenset({"next_listen", "new_users"})
"""The tasks in which what the user played is a candidate."""


class Baseline(ABC):
    """A recommender that the towers are compared with.

    Hyperparameters are keyword arguments of the constructor; `grid` names the values that tuning tries for each. A
    heuristic recommends only tracks with a positive score; a model ranks the whole catalog.
    """

    id: str
    colour: ClassVar[str]
    """In the plots of the report: legible on white and on black, one hue for each family."""

    answers: ClassVar[frozenset[str]] = frozenset(IN_CATALOG)
    """The tasks that it is measured in; in any other it is n/a, not 0."""

    grid: ClassVar[Mapping[str, Sequence[float | str]]] = {}

    ranking_only: ClassVar[frozenset[str]] = frozenset()
    """Hyperparameters that neither :meth:`fit` nor :meth:`prepare` reads: they may be changed after both."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed  # of the permutation that breaks ties, and of all other random draws

    @classmethod
    def obstacle(cls, data: FitData) -> str | None:
        """Why it cannot be fitted to data of this size, a sentence; None when it can."""
        return None

    @abstractmethod
    def fit(self, data: FitData) -> Self:
        """Learn from `data`; returns itself."""

    def fit_for(self, task: Task) -> Self:
        """Learn from the fit data of a task; returns itself. Those that read content take the candidates' artists."""
        return self.fit(task.fit)

    def prepare(self, histories: Histories) -> Any:
        """What :meth:`rank` reads of the histories. Tuning makes it once for all values of `ranking_only`."""
        return histories

    @abstractmethod
    def rank(self, prepared: Any, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates for each history that was prepared, without those in its row of `exclude`."""

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates for each history, without those in its row of `exclude`."""
        return self.rank(self.prepare(histories), k, exclude)


def decay(age: NDArray[np.int64], half_life_days: float) -> NDArray[np.float64]:
    """The weight of listens that are `age` seconds old: 1 now, half after every half-life."""
    return np.exp2(-age / (half_life_days * SECONDS_PER_DAY))
