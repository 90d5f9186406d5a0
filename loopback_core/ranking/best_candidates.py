"""The best candidates of requests by the linear score, as a corrector of their order reads them."""

from dataclasses import dataclass

import numpy as np

from loopback_core.data import Floats, Ids, Ragged
from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT

BELOW_BEST, PLACE = "below the best", "place by score"


def feature_of(column: str) -> str:
    """The name in FEATURES of one of RANK_FEATURES; its own where the linear score does not read it."""
    return PRODUCT if column == f"{PRODUCT} {BELOW_BEST}" else column


RANK_FEATURES = (
    *(name for name in FEATURES if name != PRODUCT),
    f"{PRODUCT} {BELOW_BEST}",
    f"score {BELOW_BEST}",
    PLACE,
)
"""The columns that correctors read. Products of towers and scores are compared with the best of their request, since their
level moves when the towers are trained again."""

_COLUMNS = tuple(feature_of(name) for name in RANK_FEATURES)


@dataclass(frozen=True)
class BestCandidates:
    """Candidates of some requests, those of each after those of the other, in falling order of their linear scores."""

    features: Floats  # (n, len(RANK_FEATURES))
    scores: Floats  # (n,) linear
    lengths: Ids  # (requests,) none of them 0
    track: Ids  # (n,) of the catalog
    history: Ragged  # row r: the last listens of request r to tracks of the catalog, oldest first

    def linear_features(self) -> Floats:
        """(n, len(FEATURES)): within a request they differ as the features of the linear score do, and only that counts."""
        return self.features[:, [_COLUMNS.index(name) for name in FEATURES]]


def rank_features(features: Floats, scores: Floats, lengths: Ids) -> Floats:
    """(n, len(RANK_FEATURES)) float32 of the candidates of some requests, those of each in falling order of their scores.

    features: (n, len(FEATURES)). scores: (n,) linear. lengths: (requests,) candidates of each, none of them 0.
    """
    starts = np.cumsum(lengths) - lengths
    product = features[:, FEATURES.index(PRODUCT)]
    below_best = [values - np.repeat(np.maximum.reduceat(values, starts), lengths) for values in (product, scores)]
    place = np.arange(len(scores)) - np.repeat(starts, lengths)
    others = np.delete(features, FEATURES.index(PRODUCT), axis=1)
    return np.concatenate([others, np.stack([*below_best, place], axis=1)], axis=1).astype(np.float32)
