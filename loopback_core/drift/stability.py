"""How far two distributions are from each other."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_SHARE = 1e-4
"""What a share of zero is taken for: the logarithm of nothing is not finite."""


def population_stability(before: ArrayLike, now: ArrayLike) -> float:
    """The population stability index: the sum of (now - before) * ln(now / before) over shares.

    before, now: (bins,) counts of the same bins. NaN where one of them counts nothing. By habit below 0.1 is stable and
    above 0.25 is not; how large it is between ordinary weeks depends on the log.
    """
    p, q = _shares(before), _shares(now)
    return float(np.sum((q - p) * np.log(q / p)))


def _shares(counts: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(counts, np.float64)
    total = values.sum()
    return np.maximum(values / total, LEAST_SHARE) if total > 0 else np.full(values.shape, np.nan)
