"""The engines that the contract is asked of, and the settings under which they are."""

import os
from importlib.util import find_spec

import pytest

from loopback_core.settings import HnswSettings, IndexSettings, IvfSettings, PgvectorSettings, QdrantSettings

LIBRARIES = {
    "usearch": ["usearch"],
    "voyager": ["voyager"],
    "scann": ["scann"],
    "qdrant": ["qdrant_edge"],
    "qdrant_server": ["qdrant_client"],
    "lancedb": ["lancedb"],
    "pgvector": ["psycopg", "pgserver"],
}

QDRANT = os.environ.get("LOOPBACK_TEST_QDRANT", ":memory:")
"""The address of a server; without one the client imitates it, exactly and in memory."""

PGVECTOR = os.environ.get("LOOPBACK_TEST_PGVECTOR", "")

HNSW, IVF, WIDE = HnswSettings(), IvfSettings(probes=16), IvfSettings(probes=32)

ENGINES = {
    "flat": IndexSettings(kind="flat"),
    "ivf": IndexSettings(kind="ivf", ivf=IVF),
    "hnsw": IndexSettings(kind="hnsw", hnsw=HNSW),
    "pq": IndexSettings(kind="pq", ivf=WIDE),
    "pq int8": IndexSettings(kind="pq", ivf=WIDE, storage="int8"),
    "ivf_hnsw": IndexSettings(kind="ivf_hnsw", ivf=IVF),
    "ivf_hnsw int8": IndexSettings(kind="ivf_hnsw", ivf=IVF, storage="int8"),
    "pq_hnsw int8": IndexSettings(kind="pq_hnsw", ivf=WIDE, storage="int8"),
    "usearch": IndexSettings(kind="usearch", hnsw=HNSW),
    "usearch fp16": IndexSettings(kind="usearch", hnsw=HNSW, storage="fp16"),
    "voyager": IndexSettings(kind="voyager", hnsw=HNSW),
    "scann": IndexSettings(kind="scann", ivf=WIDE),
    "scann int8": IndexSettings(kind="scann", ivf=WIDE, storage="int8"),
    "qdrant": IndexSettings(kind="qdrant", hnsw=HNSW),
    "qdrant fp16": IndexSettings(kind="qdrant", hnsw=HNSW, storage="fp16"),
    "qdrant_server": IndexSettings(kind="qdrant_server", hnsw=HNSW, qdrant=QdrantSettings(url=QDRANT)),
    "lancedb": IndexSettings(kind="lancedb", ivf=WIDE),
    "pgvector": IndexSettings(kind="pgvector", hnsw=HNSW, pgvector=PgvectorSettings(url=PGVECTOR)),
}


def engine(name: str):
    """A parameter of a test, which is skipped where the library of its engine is not installed."""
    missing = [library for library in LIBRARIES.get(name.partition(" ")[0], []) if find_spec(library) is None]
    return pytest.param(name, marks=pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"))
