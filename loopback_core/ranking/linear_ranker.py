"""The ranker that is served: the product of the towers, and a weighted sum of the terms."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError
from loopback_core.ranking.terms import CATALOG_TERMS, TERMS, Term

RANKERS = "scoring.json"

Json = dict[str, float | dict[str, float]]
"""Term -> its weight, or half-life in days -> weight."""

TermWeights = tuple[tuple[float, float], ...]
"""(half-life in days, weight) of each feature of a term, by half-life; a term of one feature has half-life 0."""


@dataclass(frozen=True)
class LinearRanker:
    """score = user · track / temperature + sum over terms and half-lives of weight * value, in nats.

    Terms of weight 0 are left out: `LinearRanker()` is the towers alone.
    """

    weights: tuple[tuple[str, TermWeights], ...] = ()  # by term, in the order of TERMS

    @classmethod
    def of(cls, weights: Mapping[str, Mapping[float, float]]) -> Self:
        """From term -> half-life -> weight. A term without half-lives has the half-life 0."""
        nonzero = {
            name: tuple((days, weight) for days, weight in sorted(of_term.items()) if weight)
            for name, of_term in weights.items()
        }
        return cls(tuple((term.name, nonzero[term.name]) for term in TERMS if nonzero.get(term.name)))

    def of_term(self, term: Term) -> TermWeights:
        """The weights of a term other than 0."""
        return dict(self.weights).get(term.name, ())

    def of_catalog_terms(self) -> Floats:
        """(len(CATALOG_TERMS),) float32."""
        return np.array([sum(weight for _, weight in self.of_term(term)) for term in CATALOG_TERMS], np.float32)

    def as_json(self) -> Json:
        """Every term with its weight, 0 where it is left out."""
        return {
            term.name: {str(days): weight for days, weight in self.of_term(term)}
            if term.half_lives
            else sum((weight for _, weight in self.of_term(term)), 0.0)
            for term in TERMS
        }

    @classmethod
    def from_json(cls, content: Json) -> Self:
        """Read :meth:`as_json` back.

        Raises:
            ValueError: a term is missing, unknown, or of the wrong shape.
        """
        if set(content) != {term.name for term in TERMS}:
            raise ValueError(f"it has weights of {', '.join(content)} instead of {', '.join(t.name for t in TERMS)}")
        weights: dict[str, dict[float, float]] = {}
        for name, value in content.items():
            by_half_life = value.items() if isinstance(value, dict) else [("0", value)]
            weights[name] = {float(days): float(weight) for days, weight in by_half_life}
        return cls.of(weights)


TOWERS_ALONE = LinearRanker()
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
        return {task: LinearRanker.from_json(weights) for task, weights in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The rankers in {folder} cannot be read ({error}); train the towers again.") from None
