"""What the engines that are servers share: the file of an index is the truth, what the server holds is a copy of it."""

from abc import abstractmethod
from pathlib import Path
from typing import Self
from uuid import uuid4

import numpy as np
import xxhash

from loopback_core.data import Floats, Ids
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS
from loopback_core.retrieval.indexes.wide_search import WideSearch
from loopback_core.settings import IndexSettings
from loopback_core.store.atomic import replacing


class ServerTable(WideSearch):
    """An index whose file holds the vectors, and whose server holds a table of them that is named by its content.

    So artifacts and bundles stay files, and an index can be opened wherever the server is reached: the table is made by
    the first process that misses it. Others may search it, so it is never changed: with the first track that is added or
    deleted, an index gets a table of its own, which goes when the index does.
    """

    def __init__(self, vectors: Floats, settings: IndexSettings, deleted: Ids = NO_IDS) -> None:
        super().__init__(settings, len(vectors), deleted)
        self.vectors, self._owned = vectors, False
        self.table = f"loopback_{_content_digest(vectors, settings, deleted)}"
        self._connect()
        self._make(self.table)

    @classmethod
    def build(cls, vectors: Floats, settings: IndexSettings) -> Self:
        """Index `vectors`, (n, D) float32.

        Raises:
            SettingsError: the server does not answer.
        """
        return cls(np.ascontiguousarray(vectors, np.float32), settings)

    def __del__(self) -> None:
        """Drop a table that nobody else knows."""
        if getattr(self, "_owned", False):
            self._drop()

    @classmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        try:
            vectors: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"The index {path} cannot be read; build it again. ({error})") from None
        return cls(vectors, settings, deleted)

    def _save(self, path: Path) -> None:
        with replacing(path) as new, new.open("wb") as file:
            np.save(file, self.vectors)

    def _add(self, ids: Ids, vectors: Floats) -> None:
        self._own()
        self.vectors = np.concatenate([self.vectors, vectors])
        self._insert(ids, vectors)

    def _delete(self, ids: Ids) -> None:
        self._own()
        self._remove(ids)

    def _own(self) -> None:
        if not self._owned:
            self.table = f"loopback_own_{uuid4().hex}"
            self._make(self.table)
            self._owned = True

    def _kept(self) -> Ids:
        """The ids that the table holds when it is made."""
        return self._all_but(self.deleted)

    def _vectors(self, ids: Ids) -> Floats:
        vectors: Floats = self.vectors[ids]
        return vectors

    def _nearest(self, query: Floats, width: int) -> tuple[Ids, Floats]:
        return self._find(query, width, NO_IDS, None)

    @abstractmethod
    def _connect(self) -> None:
        """Reach the server."""

    @abstractmethod
    def _make(self, table: str) -> None:
        """Make and fill a table, whole or not at all, unless it is there."""

    @abstractmethod
    def _drop(self) -> None:
        """Remove the table. Fails silently, as it is called while objects go."""

    @abstractmethod
    def _insert(self, ids: Ids, vectors: Floats) -> None:
        """Add rows to the table."""

    @abstractmethod
    def _remove(self, ids: Ids) -> None:
        """Remove rows from the table."""


def _content_digest(vectors: Floats, settings: IndexSettings, deleted: Ids) -> str:
    content = xxhash.xxh3_128(np.ascontiguousarray(vectors).data)
    content.update(np.ascontiguousarray(deleted).data)
    made_with = vectors.shape, settings.storage, settings.hnsw.neighbors, settings.hnsw.ef_construction
    content.update(repr(made_with).encode())
    return content.hexdigest()
