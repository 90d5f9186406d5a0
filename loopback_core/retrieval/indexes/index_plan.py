"""Which index a catalog gets, and why: from its size, the memory, and the recall and p99 that are wanted.

The constants are those that benchmarks/large_catalog.py measured (docs/indexes.md, "Large catalogs").
"""

import math
from dataclasses import dataclass
from typing import Literal

from loopback_core.retrieval.indexes.inverted_lists import list_count
from loopback_core.settings import IndexSettings, IvfSettings, PqSettings

Storage = Literal["fp32", "fp16", "int8"]

BYTES: dict[Storage, int] = {"fp32": 4, "fp16": 2, "int8": 1}
"""Of a dimension."""

ID_BYTES = 8
"""Of the id of a track in a list."""

BYTES_OF_LIST = 4 + 2 * 32 * 4 / 128
"""Of a dimension of a centroid and its links in the graph, at 128 dimensions."""

SHARE_FOR = ((0.90, 0.012), (0.95, 0.023), (0.98, 0.048), (0.99, 0.1), (0.999, 0.3))
"""Recall@100, and the share of the lists that a search visits for it: at 1.5, 5 and 15 million tracks, of which the last need
fewer (1.8 % for .95). Those above .98 were not measured."""

INT8_RECALL = 0.98
"""The largest recall@100 that vectors of int8 are planned for."""

DIMENSIONS_PER_BYTE = (2, 4, 8)
"""Of codes, the most exact first."""

NANOSECONDS = {"fp32": 0.14, "fp16": 0.14, "int8": 0.14, "code": 0.6}
"""CPU time of a search per dimension of a track in the lists that it visits (of int8, and taken for the others); of a code per byte."""

FIXED_MS, SECOND_LOOK_MS = 0.6, 2.4
"""Of a search besides its lists; of the second look at 1,600 tracks."""

SLOWEST = 1.6
"""How many times the p99 of users is their median: popular lists are longer."""


@dataclass(frozen=True)
class IndexPlan:
    """The settings of an index whose kind is decided, and the reasons, each a sentence."""

    settings: IndexSettings
    reasons: tuple[str, ...]


def plan_index(n: int, dim: int, settings: IndexSettings) -> IndexPlan:
    """The index of n tracks of `dim` dimensions. A kind other than auto is taken as it is, but where there are no tracks."""
    if not n:  # engines learn their ranges and graphs from tracks; some do not read an empty one back
        return IndexPlan(_decided(settings, "flat", "fp32"), ("There are no tracks.",))
    if settings.kind != "auto":
        return IndexPlan(settings, (f"index.kind is {settings.kind!r}.",))
    if n <= settings.flat_limit:
        why = f"{n:,} tracks are searched exactly: no more than index.flat_limit = {settings.flat_limit:,}."
        return IndexPlan(_decided(settings, "flat", settings.storage), (why,))
    if n <= settings.ivf_limit:
        why = f"{n:,} tracks are more than index.flat_limit and no more than index.ivf_limit = {settings.ivf_limit:,}: "
        as_said = f"ivf, {settings.ivf.probes} lists a search, vectors as {settings.storage}."
        return IndexPlan(_decided(settings, "ivf", settings.storage, settings.ivf), (why + as_said,))
    return _large(n, dim, settings)


def _large(n: int, dim: int, settings: IndexSettings) -> IndexPlan:
    wanted = settings.wanted
    lists = settings.ivf.lists or list_count(n)
    share = next((share for recall, share in SHARE_FOR if recall >= wanted.recall), SHARE_FOR[-1][1])
    probes = math.ceil(share * lists)
    reasons = [
        f"{n:,} tracks are more than index.ivf_limit: {lists:,} lists, whose centroids a graph finds.",
        f"A recall@100 of {wanted.recall} takes {share:.1%} of them a search, {probes:,} lists.",
    ]
    storage: Storage = "int8" if wanted.recall <= INT8_RECALL else "fp16"
    of_lists = lists * dim * BYTES_OF_LIST
    held = n * (dim * BYTES[storage] + ID_BYTES) + of_lists
    ivf = settings.ivf.model_copy(update={"lists": lists, "probes": probes})
    if held <= wanted.memory_gb * 1e9:
        reasons.append(
            f"Vectors as {storage} take {_gigabytes(held)}, within index.wanted.memory_gb = {wanted.memory_gb:g}: no codes are needed."
        )
        plan, ns, fixed = _decided(settings, "ivf_hnsw", storage, ivf), dim * NANOSECONDS[storage], FIXED_MS
    else:
        sizes = {per: n * (-(-dim // per) + ID_BYTES) + of_lists for per in DIMENSIONS_PER_BYTE}
        per_byte = next((per for per, size in sizes.items() if size <= wanted.memory_gb * 1e9), DIMENSIONS_PER_BYTE[-1])
        fits = "within" if sizes[per_byte] <= wanted.memory_gb * 1e9 else "still more than"
        reasons.append(
            f"Vectors as {storage} take {_gigabytes(held)}, more than index.wanted.memory_gb = {wanted.memory_gb:g}: codes of a byte for "
            f"{per_byte} dimensions take {_gigabytes(sizes[per_byte])}, {fits} it, and the best are compared again with vectors on disk."
        )
        pq = PqSettings(dimensions_per_byte=per_byte)
        plan, ns = _decided(settings, "pq_hnsw", storage, ivf, pq), -(-dim // per_byte) * NANOSECONDS["code"]
        fixed = FIXED_MS + SECOND_LOOK_MS
    p99 = fixed + SLOWEST * probes * n / lists * ns / 1e6
    reached = "within" if p99 <= wanted.p99_ms else "more than"
    reasons.append(
        f"By the measured constants the p99 is about {p99:.1f} ms on one core, {reached} index.wanted.p99_ms = {wanted.p99_ms:g}."
    )
    return IndexPlan(plan, tuple(reasons))


def _decided(
    settings: IndexSettings, kind: str, storage: str, ivf: IvfSettings | None = None, pq: PqSettings | None = None
) -> IndexSettings:
    parts = {"ivf": ivf, "pq": pq}
    given = {name: part.model_dump() for name, part in parts.items() if part is not None}
    return IndexSettings.model_validate(
        {"kind": kind, "storage": storage, "shards": settings.shards.model_dump(), **given}
    )


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
