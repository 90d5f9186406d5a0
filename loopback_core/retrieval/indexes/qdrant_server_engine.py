"""The engine that is a server of Qdrant, by its address."""

from contextlib import suppress

import numpy as np
from qdrant_client import QdrantClient, models

from loopback_core.data import Floats, Ids
from loopback_core.errors import SettingsError
from loopback_core.retrieval.indexes.filtered_search import Nearest
from loopback_core.retrieval.indexes.server_table import ServerTable
from loopback_core.settings.addresses import filled_address, without_secrets

SENT_AT_ONCE = 2_000
"""Tracks in one request."""

_PATIENCE = 600
"""Seconds that a request may take: a collection is made in it."""

BUILDING = "_building"
"""Ends the name of a collection that is not whole yet."""

_NUMBERS = {"fp32": models.Datatype.FLOAT32, "fp16": models.Datatype.FLOAT16}


class Index(ServerTable):
    """A collection of Qdrant with inner products; point i is track i."""

    def _connect(self) -> None:
        url = filled_address(self.settings.qdrant.url, "index.qdrant.url")
        try:
            self._client = QdrantClient(location=url, timeout=_PATIENCE)
            self._client.get_collections()
        except Exception as error:  # of the client, of its transport, of an address that is none
            raise SettingsError(
                "Qdrant at index.qdrant.url does not answer: start it, or correct the address. "
                f"({without_secrets(str(error), [url])})"
            ) from None

    def _make(self, table: str) -> None:
        """An alias names the collection when it is whole, so a killed run leaves no name."""
        if any(alias.alias_name == table for alias in self._client.get_aliases().aliases):
            return
        building, hnsw = f"{table}{BUILDING}", self.settings.hnsw
        self._client.delete_collection(building)
        self._client.create_collection(
            building,
            vectors_config=models.VectorParams(
                size=self.vectors.shape[1], distance=models.Distance.DOT, datatype=_NUMBERS[self.settings.storage]
            ),
            hnsw_config=models.HnswConfigDiff(m=hnsw.neighbors, ef_construct=hnsw.ef_construction),
        )
        ids = self._kept()
        self._send(building, ids, self.vectors[ids])
        create = models.CreateAlias(collection_name=building, alias_name=table)
        self._client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])

    def _drop(self) -> None:
        with suppress(Exception):
            self._client.delete_collection(f"{self.table}{BUILDING}")

    def _insert(self, ids: Ids, vectors: Floats) -> None:
        self._send(self.table, ids, vectors)

    def _remove(self, ids: Ids) -> None:
        self._client.delete(self.table, models.PointIdsList(points=ids.tolist()), wait=True)

    def _send(self, collection: str, ids: Ids, vectors: Floats) -> None:
        for start in range(0, len(ids), SENT_AT_ONCE):
            part = slice(start, start + SENT_AT_ONCE)
            batch = models.Batch(ids=ids[part].tolist(), vectors=vectors[part].tolist())
            self._client.upsert(collection, batch, wait=True)

    def _find(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        left = None
        if among is not None:
            left = models.Filter(must=[models.HasIdCondition(has_id=among.tolist())])
        elif len(seen):
            left = models.Filter(must_not=[models.HasIdCondition(has_id=seen.tolist())])
        found = self._client.query_points(
            self.table,
            query=query.tolist(),
            query_filter=left,
            limit=count,
            search_params=models.SearchParams(hnsw_ef=max(count, self.settings.hnsw.ef_search)),
            with_payload=False,
        ).points
        return np.array([point.id for point in found], np.int64), np.array([point.score for point in found], np.float32)
