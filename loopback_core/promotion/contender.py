"""A bundle that is judged: as it was evaluated, and as it would be served."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.recommenders.bundle import Bundle
from loopback_core.splits import Splits
from loopback_core.store.artifacts import Artifact

EVALUATED = ("temporal_splits", "trained_towers", "trained_ranker", "track_embeddings", "faiss_index")
"""What a bundle was made from: the artifacts that hold its model as it was evaluated, in the order of `Bundle.load`."""


@dataclass(frozen=True)
class Contender:
    """Champion or challenger.

    `evaluated` has not seen the test part of its log. What is served was trained once more on all of it, so that nothing is
    left to ask it: the recipe is judged here, and the check `refit_agrees` compares the refit with it.
    """

    version: str
    bytes: int
    splits: Splits
    evaluated: Bundle
    served: ServedBundle

    @property
    def last_listen(self) -> int:
        """Unix seconds of the newest listen that it was made from."""
        return self.served.known["last_listen"]

    @classmethod
    def load(cls, artifact: Artifact, evaluated: tuple[Path, ...]) -> Self:
        """evaluated: folders of the artifacts of EVALUATED that the bundle was made from.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        splits = Splits(evaluated[0])
        served = ServedBundle.load(artifact.folder)
        as_evaluated = replace(Bundle.load(splits, *evaluated[1:]), rerank=served.known["rerank"])
        size = sum(file["bytes"] for file in artifact.manifest["files"].values())
        return cls(artifact.version, size, splits, as_evaluated, served)
