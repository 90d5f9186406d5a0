"""Trees that correct the linear score of the best candidates (LambdaMART: Burges 2010)."""

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import BestCandidates

if TYPE_CHECKING:
    from lightgbm import Booster


@dataclass(frozen=True)
class TreeRanker:
    """score = linear score + the sum of the trees, for the `places` best candidates by the linear score."""

    model: str  # as LightGBM writes it
    places: int

    @cached_property
    def booster(self) -> "Booster":
        """The model, ready to predict."""
        booster: Booster = lightgbm().Booster(model_str=self.model)
        return booster

    def corrected(self, best: BestCandidates, vectors: Floats) -> Floats:
        """See :class:`loopback_core.ranking.corrector.Corrector`."""
        corrections = np.asarray(self.booster.predict(best.features, num_threads=1))
        corrected: Floats = (best.scores + corrections).astype(np.float32)
        return corrected


def lightgbm() -> Any:
    """The library. It finds the OpenMP library of torch where the system has none.

    It reads no frames here, so pandas stays out where nothing else has brought it: importing it would take a second.
    """
    import torch  # noqa: F401  # loaded first, for its OpenMP library

    keep_out = "lightgbm" not in sys.modules and "pandas" not in sys.modules
    if keep_out:
        sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        import lightgbm as library
    finally:
        if keep_out:
            del sys.modules["pandas"]
    return library
