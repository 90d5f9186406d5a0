"""What every index engine offers."""

from pathlib import Path
from typing import Protocol, Self

from loopback_core.data import Floats, Ids, Ragged, Ranking
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
        """Read what `save` wrote. The file is never written to, whatever is added or deleted afterwards.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        ...

    def save(self, path: Path) -> None:
        """Write it to a file, and the ids of deleted tracks, where there are any, next to it."""
        ...

    def __len__(self) -> int:
        """Tracks that can be found: those that were indexed and added, without those that were deleted."""
        ...

    def search(self, queries: Floats, k: int, exclude: Ragged | None, only: Ids | None = None) -> Ranking:
        """The k tracks of the largest inner product for each query, (rows, D), without those in its row of `exclude`.

        only: ids, (m,); lists hold no other tracks. None: any track. Ids that the index does not know are ignored.
        A list is shorter than k only where fewer tracks than that are left.
        """
        ...

    def add(self, vectors: Floats) -> None:
        """Index further tracks, (n, D) float32. They take the positions after the last one that was ever used."""
        ...

    def delete(self, ids: Ids) -> None:
        """Never find these tracks again, (n,). Their positions are not used again; unknown ids are ignored."""
        ...
