"""What all orders of candidates share: scores on one scale, and the candidates behind those that were chosen."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids


def relevance_of(scores: Floats) -> Floats:
    """Scores, (n,), on a scale from 0 to 1; all 0 where they are the same. n: at least 1."""
    relevance: Floats = (scores - scores.min()) / max(float(np.ptp(scores)), 1e-12)
    return relevance


def then_the_rest(first: NDArray[np.integer], n: int) -> Ids:
    """All of n positions: those chosen, then the others in their order."""
    left = np.ones(n, np.bool_)
    left[first] = False
    return np.concatenate([first.astype(np.int64), np.flatnonzero(left)])
