"""The ranker that is served: a weighted sum of the product of the towers and the features of the terms."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypedDict

import numpy as np

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError
from loopback_core.ranking.terms import ARTIST_TERMS, CATALOG_FEATURES, TRACK_TERMS

RANKERS = "scoring.json"

PRODUCT = "towers"
"""The feature user · track / temperature."""


def popular(feature: str) -> str:
    """The name of the product of a feature of an artist with log(1 + listeners) of the track."""
    return f"{feature} x listeners"


TRACK_FEATURES = tuple(name for term in TRACK_TERMS for name in term.features)

ARTIST_FEATURES = tuple(name for term in ARTIST_TERMS for name in term.features)

POPULAR_ARTIST_FEATURES = tuple(popular(name) for term in ARTIST_TERMS for name in term.by_popularity)

FEATURES = (PRODUCT, *CATALOG_FEATURES, *TRACK_FEATURES, *ARTIST_FEATURES, *POPULAR_ARTIST_FEATURES)
"""The names of all features of a pair of user and track, in the order of the columns."""


class RankerJson(TypedDict):
    """A ranker in JSON: feature -> weight, and the same of features divided by their spread within a request."""

    weights: dict[str, float]
    standardised: dict[str, float]


@dataclass(frozen=True)
class LinearRanker:
    """score = sum over FEATURES of weight * value. Features of weight 0 are left out."""

    weights: tuple[tuple[str, float], ...]  # in the order of FEATURES
    standardised: tuple[tuple[str, float], ...] = field(default=(), compare=False)  # times the spread in a request

    @classmethod
    def of(cls, weights: Mapping[str, float], standardised: Mapping[str, float] | None = None) -> Self:
        """From feature -> weight; a feature that is missing has weight 0. standardised: only shown.

        Raises:
            ValueError: there is no feature of that name, or a weight is not a finite number.
        """
        if unknown := set(weights) - set(FEATURES):
            raise ValueError(f"it has weights of {', '.join(sorted(unknown))}, which are no features")
        if not np.isfinite([float(weight) for weight in weights.values()]).all():
            raise ValueError("it has weights that are not finite numbers")
        shown = standardised or {}
        return cls(
            tuple((name, float(weights[name])) for name in FEATURES if weights.get(name)),
            tuple((name, float(shown[name])) for name in FEATURES if shown.get(name)),
        )

    def of_features(self, names: Sequence[str]) -> Floats:
        """The weights of some features, (len(names),) float32."""
        weights = dict(self.weights)
        return np.array([weights.get(name, 0.0) for name in names], np.float32)

    def of_catalog_features(self) -> Floats:
        """(len(CATALOG_FEATURES),) float32."""
        return self.of_features(CATALOG_FEATURES)

    def as_json(self) -> RankerJson:
        """The weights other than 0."""
        return {"weights": dict(self.weights), "standardised": dict(self.standardised)}

    @classmethod
    def from_json(cls, content: RankerJson) -> Self:
        """Read :meth:`as_json` back.

        Raises:
            ValueError: as of :meth:`of`.
            KeyError: a part is missing.
        """
        return cls.of(content["weights"], content["standardised"])


TOWERS_ALONE = LinearRanker.of({PRODUCT: 1.0})
"""The product of the towers and nothing else."""


def save_rankers(rankers: Mapping[str, LinearRanker], folder: Path) -> None:
    """Write the ranker of each task."""
    content = {task: ranker.as_json() for task, ranker in rankers.items()}
    (folder / RANKERS).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def load_rankers(folder: Path) -> dict[str, LinearRanker]:
    """Read them back: task -> ranker.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        content = json.loads((folder / RANKERS).read_text("utf-8"))
        return {task: LinearRanker.from_json(ranker) for task, ranker in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The rankers in {folder} cannot be read ({error}); train the towers again.") from None
