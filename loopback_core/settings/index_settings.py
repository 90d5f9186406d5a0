"""The settings of the nearest-neighbour index."""

from typing import Annotated, Literal

from pydantic import Field

from loopback_core.settings.section import ReadIf, Section, Text

ENGINE_OF_KIND = {
    "auto": "faiss",
    "flat": "faiss",
    "ivf": "faiss",
    "hnsw": "faiss",
    "pq": "faiss",
    "ivf_hnsw": "faiss",
    "pq_hnsw": "faiss",
    "usearch": "usearch",
    "voyager": "voyager",
    "scann": "scann",
    "qdrant": "qdrant",
    "qdrant_server": "qdrant_server",
    "lancedb": "lancedb",
    "pgvector": "pgvector",
}
"""Kind of index -> the engine that builds it, a file of `loopback_core.retrieval.indexes`.

Every engine but faiss is an extra of the package, of the same name.
"""

STORAGE_OF_KIND = {
    "usearch": ("fp32", "fp16"),
    "voyager": ("fp32",),
    "scann": ("fp32", "int8"),
    "qdrant": ("fp32", "fp16"),
    "qdrant_server": ("fp32", "fp16"),
    "lancedb": ("fp32",),
    "pgvector": ("fp32",),
}
"""What `storage` may be with a kind; all of it with kinds that are not named here."""


class HnswSettings(Section):
    """A navigable small-world graph. Every engine that builds one reads the same keys."""

    neighbors: int = Field(32, ge=2, le=256, description="Links per node of the graph.")
    ef_construction: int = Field(100, ge=1, le=10_000, description="Width of the search while the graph is built.")
    ef_search: int = Field(256, ge=1, le=100_000, description="Width of a search.")


class IvfSettings(Section):
    """An inverted file: the tracks in lists around centroids."""

    lists: int = Field(
        0,
        ge=0,
        le=2**20,
        description="Lists of kinds ivf, pq, ivf_hnsw and pq_hnsw; 0: four times the root of the number of tracks.",
    )
    probes: int = Field(80, ge=1, le=65_536, description="Lists that a search visits.")


class PqSettings(Section):
    """Product quantization: a short code for each track, and a second look at the best with better numbers."""

    dimensions_per_byte: int = Field(
        2,
        ge=1,
        le=64,
        description="Dimensions that one byte of a code stands for: 2 makes codes of an eighth of fp16's bytes.",
    )
    refined: int = Field(
        16, ge=1, le=1000, description="Tracks compared once more with their vectors, for each track of a list."
    )


class QdrantSettings(Section):
    """Where a server of Qdrant runs."""

    url: Text = Field(
        "http://localhost:6333",
        description="Such as 'http://localhost:6333'; ${NAME} is taken from the environment.",
    )


class PgvectorSettings(Section):
    """Where PostgreSQL runs."""

    url: Text = Field(
        "",
        description="Of a PostgreSQL database with the extension pgvector, such as 'postgresql://user:${PASSWORD}@host/name'; "
        "${NAME} is taken from the environment. Empty: a private PostgreSQL that is started for the time of the process.",
    )


class WantedSettings(Section):
    """What an index must reach; with kind auto its parameters are planned from this."""

    recall: float = Field(
        0.95, ge=0.5, le=0.999, description="Recall@100 against exact search, for catalogs above ivf_limit."
    )
    p99_ms: float = Field(
        10.0, gt=0, le=10_000, description="p99 of a search for 100 tracks on one core, milliseconds."
    )
    memory_gb: float = Field(
        8.0,
        gt=0,
        le=10_000,
        description="Memory that an open index may hold, in GB (10^9 bytes), mapped files included.",
    )


class ShardSettings(Section):
    """Ranges of ids whose vectors are made and indexed on their own. A killed build goes on with those that are complete."""

    tracks: int = Field(
        2_097_152,
        ge=1,
        le=10**9,
        description="Tracks of a shard. A catalog that is no larger is one shard.",
    )
    processes: int = Field(
        1, ge=1, le=256, description="Processes that make shards at the same time, each in its own memory."
    )


class IndexSettings(Section):
    """The nearest-neighbour index."""

    kind: Literal[
        "auto",
        "flat",
        "hnsw",
        "ivf",
        "pq",
        "ivf_hnsw",
        "pq_hnsw",
        "usearch",
        "voyager",
        "scann",
        "qdrant",
        "qdrant_server",
        "lancedb",
        "pgvector",
    ] = Field(
        "auto",
        description="auto: planned from the size of the catalog and `wanted`: flat up to flat_limit, ivf up to ivf_limit, then ivf_hnsw "
        "or, where memory is short, pq_hnsw. auto, flat, hnsw, ivf, pq, ivf_hnsw and pq_hnsw are those of FAISS; every other kind "
        "is an engine that is installed as an extra of its name: pip install 'loopback[usearch]'.",
    )
    flat_limit: Annotated[int, ReadIf(kind="auto")] = Field(
        200_000, ge=0, le=10**9, description="auto: the largest catalog that is searched exactly."
    )
    ivf_limit: Annotated[int, ReadIf(kind="auto")] = Field(
        2_000_000,
        ge=0,
        le=10**9,
        description="auto: the largest catalog whose index is ivf, as `ivf` and `storage` say.",
    )
    wanted: Annotated[WantedSettings, ReadIf(kind="auto")] = Field(
        default_factory=WantedSettings, description="Of kind auto, for catalogs above ivf_limit."
    )
    shards: ShardSettings = Field(
        default_factory=ShardSettings, description="Of the vectors, and of the kinds of FAISS but hnsw."
    )
    hnsw: Annotated[
        HnswSettings, ReadIf(kind=("hnsw", "usearch", "voyager", "qdrant", "qdrant_server", "pgvector"))
    ] = Field(
        default_factory=HnswSettings, description="Of kinds hnsw, usearch, voyager, qdrant, qdrant_server and pgvector."
    )
    ivf: Annotated[IvfSettings, ReadIf(kind=("auto", "ivf", "pq", "ivf_hnsw", "pq_hnsw", "scann", "lancedb"))] = Field(
        default_factory=IvfSettings, description="Of kinds auto, ivf, pq, ivf_hnsw, pq_hnsw, scann and lancedb."
    )
    pq: Annotated[PqSettings, ReadIf(kind=("pq", "pq_hnsw", "scann", "lancedb"))] = Field(
        default_factory=PqSettings, description="Of kinds pq, pq_hnsw, scann and lancedb."
    )
    qdrant: Annotated[QdrantSettings, ReadIf(kind="qdrant_server")] = Field(
        default_factory=QdrantSettings, description="Of kind qdrant_server."
    )
    pgvector: Annotated[PgvectorSettings, ReadIf(kind="pgvector")] = Field(
        default_factory=PgvectorSettings, description="Of kind pgvector."
    )
    storage: Literal["fp32", "fp16", "int8"] = Field(
        "fp32",
        description="Precision of the vectors in the index; fp16 takes half of the memory, int8 a quarter. With pq "
        "and pq_hnsw it is that of the second look.",
    )

    def contradiction(self) -> str:
        """A precision that the engine does not have, or a number of lists that it does not take."""
        if self.ivf.lists and self.kind in ("scann", "lancedb"):
            return f"ivf.lists is {self.ivf.lists}, but kind {self.kind!r} chooses the number of lists itself"
        offered = STORAGE_OF_KIND.get(self.kind)
        if offered is None or self.storage in offered:
            return ""
        return f"storage is {self.storage!r}, but kind {self.kind!r} keeps {' or '.join(offered)}"
