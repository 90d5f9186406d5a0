"""The pgvector engine: a table of PostgreSQL with a graph, on a server by its address or a private one."""

import atexit
import shutil
from functools import cache
from tempfile import mkdtemp
from typing import Any

import numpy as np
import psycopg
from psycopg.sql import SQL, Identifier, Literal

from loopback_core.data import Floats, Ids
from loopback_core.errors import SettingsError
from loopback_core.retrieval.indexes.filtered_search import Nearest
from loopback_core.retrieval.indexes.server_table import ServerTable
from loopback_core.settings.addresses import filled_address, without_secrets

WIDEST = 1_000
"""The largest width of a search that pgvector takes, and so the longest list that its graph gives."""

_ROWS_AT_ONCE = 50_000
"""Rows that are sent in one piece."""

MAINTENANCE_MEMORY = "1GB"
"""For building a graph; one that does not fit is built many times slower."""

_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


class Index(ServerTable):
    """A table (id, v) with a graph of inner products over v; row i is track i."""

    def _connect(self) -> None:
        url = filled_address(self.settings.pgvector.url, "index.pgvector.url") or _private_server()
        try:
            self._connection = psycopg.connect(url, autocommit=True)
            self._connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            raise SettingsError(
                f"PostgreSQL at index.pgvector.url does not answer, or lacks the extension pgvector: start it, or correct the "
                f"address. ({without_secrets(str(error), [url])})"
            ) from None

    def _make(self, table: str) -> None:
        name, hnsw = Identifier(table), self.settings.hnsw
        ids, width = self._kept(), self.vectors.shape[1]
        with self._connection.transaction():  # all of it or nothing, also for other processes that miss the same table
            self._connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])
            row = self._connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
            if row and row[0]:
                return
            self._connection.execute(
                SQL("CREATE TABLE {} (id bigint PRIMARY KEY, v vector({}))").format(name, Literal(width))
            )
            self._copy(table, ids, self.vectors)
            self._connection.execute(SQL("SET LOCAL maintenance_work_mem = {}").format(Literal(MAINTENANCE_MEMORY)))
            self._connection.execute(
                "SET LOCAL max_parallel_maintenance_workers = 0"
            )  # else every run builds another graph
            graph = SQL("CREATE INDEX ON {} USING hnsw (v vector_ip_ops) WITH (m = {}, ef_construction = {})")
            efforts = min(100, hnsw.neighbors), min(1000, max(hnsw.ef_construction, 2 * hnsw.neighbors))
            self._connection.execute(graph.format(name, *map(Literal, efforts)))
        self._connection.execute(SQL("ANALYZE {}").format(name))

    def _drop(self) -> None:
        try:
            self._connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(self.table)))
        except psycopg.Error:
            return

    def _insert(self, ids: Ids, vectors: Floats) -> None:
        self._copy(self.table, ids, vectors, first=int(ids[0]))

    def _remove(self, ids: Ids) -> None:
        self._connection.execute(
            SQL("DELETE FROM {} WHERE id = ANY(%s)").format(Identifier(self.table)), [ids.tolist()]
        )

    def _copy(self, table: str, ids: Ids, vectors: Floats, first: int = 0) -> None:
        """Send rows in the binary format of COPY. vectors: that of track `first` is at 0."""
        copying = SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(Identifier(table))
        with self._connection.cursor().copy(copying) as copy:
            copy.write(_HEADER)
            for start in range(0, len(ids), _ROWS_AT_ONCE):
                part = ids[start : start + _ROWS_AT_ONCE]
                copy.write(_rows(part, vectors[part - first]))
            copy.write(_TRAILER)

    def _find(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        """By the graph, which this version filters after the search: lists that become short are scanned."""
        if among is not None or count + len(seen) > WIDEST:
            return self._scan(query, count, seen, among)
        width = min(WIDEST, max(count + len(seen), self.settings.hnsw.ef_search))
        text = "[" + ",".join(map(repr, query.tolist())) + "]"
        nearest = SQL(
            "SELECT id, -(v <#> {0}::vector) FROM {1} WHERE id <> ALL(%s) ORDER BY v <#> {0}::vector LIMIT {2}"
        ).format(Literal(text), Identifier(self.table), Literal(count))
        with self._connection.transaction():
            self._connection.execute(SQL("SET LOCAL hnsw.ef_search = {}").format(Literal(width)))
            self._connection.execute("SET LOCAL enable_seqscan = off")
            rows: list[Any] = self._connection.execute(nearest, [seen.tolist()]).fetchall()
        return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float32)


def _rows(ids: Ids, vectors: Floats) -> bytes:
    """As COPY reads them: two fields, each after its length in bytes; numbers are big-endian."""
    width = vectors.shape[1]
    layout = [
        ("fields", ">i2"),
        ("bytes_of_id", ">i4"),
        ("id", ">i8"),
        ("bytes_of_v", ">i4"),
        ("width", ">i2"),
        ("unused", ">i2"),
        ("v", ">f4", (width,)),
    ]
    rows = np.zeros(len(ids), layout)
    rows["fields"], rows["bytes_of_id"], rows["bytes_of_v"], rows["width"] = 2, 8, 4 + 4 * width, width
    rows["id"], rows["v"] = ids, vectors
    return rows.tobytes()


@cache
def _private_server() -> str:
    """The address of a PostgreSQL that is started for this process and removed with it."""
    import pgserver

    folder = mkdtemp(prefix="loopback-postgresql-")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)  # before the folder goes: the last registered is called first
    address: str = server.get_uri()
    return address
