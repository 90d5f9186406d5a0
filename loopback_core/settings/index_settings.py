"""The settings of the nearest-neighbour index."""

from typing import Annotated, Literal

from pydantic import Field

from loopback_core.settings.section import ReadIf, Section

ENGINE_OF_KIND = {"auto": "faiss", "flat": "faiss", "ivf": "faiss", "hnsw": "faiss"}
"""Kind of index -> the engine that builds it, a file of `loopback_core.retrieval.indexes`."""


class HnswSettings(Section):
    """A navigable small-world graph."""

    neighbors: int = Field(32, ge=2, le=256, description="Links per node of the graph.")
    ef_construction: int = Field(100, ge=1, le=10_000, description="Width of the search while the graph is built.")
    ef_search: int = Field(256, ge=1, le=100_000, description="Width of a search.")


class IvfSettings(Section):
    """An inverted file: the tracks in lists around centroids."""

    probes: int = Field(80, ge=1, le=65_536, description="Lists that a search visits.")


class IndexSettings(Section):
    """The nearest-neighbour index."""

    kind: Literal["auto", "flat", "hnsw", "ivf"] = Field("auto", description="auto: flat up to flat_limit, then ivf.")
    flat_limit: Annotated[int, ReadIf(kind="auto")] = Field(
        200_000, ge=0, le=10**9, description="auto: the largest catalog that is searched exactly."
    )
    hnsw: Annotated[HnswSettings, ReadIf(kind="hnsw")] = Field(
        default_factory=HnswSettings, description="Of kind hnsw."
    )
    ivf: Annotated[IvfSettings, ReadIf(kind=("auto", "ivf"))] = Field(
        default_factory=IvfSettings, description="Of kinds auto and ivf."
    )
    storage: Literal["fp32", "fp16", "int8"] = Field(
        "fp32", description="Precision of the vectors in the index; fp16 takes half of the memory, int8 a quarter."
    )
