"""What all baselines share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Histories, Ragged
from loopback_core.recommender import Ranking

SECONDS_PER_DAY = 86_400


class Baseline(ABC):
    """A recommender without learned vectors. Only tracks with a positive score are recommended.

    Hyperparameters are keyword arguments of the constructor; `grid` names the values that tuning tries.
    """

    id: str
    answers: ClassVar[frozenset[str] | None] = None
    """Tasks that it is asked in; None: every task. In any other it is n/a, not 0."""
    grid: ClassVar[Mapping[str, Sequence[float | str]]] = {}

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed  # of the permutation that breaks ties

    @abstractmethod
    def fit(self, data: FitData) -> Self:
        """Learn from `data`; returns itself."""

    @abstractmethod
    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best catalog tracks for each history, without those in its row of `exclude`."""


def decay(age: NDArray[np.int64], half_life_days: float) -> NDArray[np.float64]:
    """The weight of listens that are `age` seconds old: 1 now, half after every half-life."""
    return np.exp2(-age / (half_life_days * SECONDS_PER_DAY))
