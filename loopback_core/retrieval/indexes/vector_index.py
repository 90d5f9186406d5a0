"""What every index engine offers."""

from pathlib import Path
from typing import Protocol, Self

from loopback_core.data import Floats, Ragged, Ranking
from loopback_core.settings import IndexSettings


class VectorIndex(Protocol):
    """An index of inner products over track vectors; position i is track i."""

    kind: str
    settings: IndexSettings

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32."""
        ...

    @classmethod
    def load(cls, path: Path, settings: IndexSettings) -> Self:
        """Read the file that `save` wrote.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        ...

    def save(self, path: Path) -> None:
        """Write it to a file."""
        ...

    def __len__(self) -> int:
        """Tracks in the index."""
        ...

    def search(self, queries: Floats, k: int, exclude: Ragged | None) -> Ranking:
        """The k tracks of the largest inner product for each query, (rows, D), without those in its row of `exclude`."""
        ...
