"""What all baselines share."""

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
    """A recommender to be measured beside the towers.

    Hyperparameters are keyword arguments of the constructor; `grid` names the values that tuning tries for each. A
    heuristic recommends only tracks to which it gives a positive score; a model ranks the whole catalog.
    """

    id: str
    answers: ClassVar[frozenset[str]] = frozenset(IN_CATALOG)
    """Tasks that it is asked in. In any other it is n/a, not 0."""
    grid: ClassVar[Mapping[str, Sequence[float | str]]] = {}

    asked_only: ClassVar[frozenset[str]] = frozenset()
    """Hyperparameters that :meth:`fit` does not read: attributes of these names may be changed after it."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed  # of the permutation that breaks ties, and of whatever else is drawn

    @classmethod
    def obstacle(cls, data: FitData) -> str | None:
        """Why it cannot be fitted on data of this size, a sentence; None when it can."""
        return None

    @abstractmethod
    def fit(self, data: FitData) -> Self:
        """Learn from `data`; returns itself."""

    def fit_for(self, task: Task) -> Self:
        """Learn what the task allows; returns itself. One that reads content takes the candidates' artists along."""
        return self.fit(task.fit)

    @abstractmethod
    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best catalog tracks for each history, without those in its row of `exclude`."""

    def read(self, histories: Histories) -> Any:
        """All that recommending takes from histories whatever the `asked_only` settings: tuning makes it once for many.

        One that overrides this and :meth:`rank` recommends by the one after the other.
        """
        return histories

    def rank(self, read: Any, k: int, exclude: Ragged | None) -> Ranking:
        """What :meth:`recommend` gives for the histories that were read."""
        return self.recommend(read, k, exclude)


def decay(age: NDArray[np.int64], half_life_days: float) -> NDArray[np.float64]:
    """The weight of listens that are `age` seconds old: 1 now, half after every half-life."""
    return np.exp2(-age / (half_life_days * SECONDS_PER_DAY))
