"""What the newest `interactions` has read: what is compared with the source to tell what is new."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import polars as pl

from loopback_core.errors import ArtifactError
from loopback_core.listens.raw import RawFile, raw_summary
from loopback_core.store.artifacts import Artifact, ArtifactStore


@dataclass(frozen=True)
class KnownLog:
    """The log of the newest `interactions`, as the manifests say; by default that of a home without any.

    version: of `raw_listens`. read_at: when it was published, in nanoseconds since 1970. rows: of the source, without what the
    service has received. listens: all that `interactions` holds. last_row: the last listen that the service had received then.
    """

    version: str = ""
    name: str = ""
    files: Mapping[Path, RawFile] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    read_at: int = 0
    rows: int = 0
    listens: int = 0
    last_row: int = 0
    interactions: Artifact | None = None

    @classmethod
    def newest(cls, store: ArtifactStore) -> Self:
        """What the manifests say.

        Raises:
            ArtifactError: one is damaged.
        """
        if not store.has("interactions"):
            return cls()
        interactions = store.latest("interactions")
        raw = store.lineage(interactions, "raw_listens")
        summary = raw_summary(raw)
        served = summary.served
        return cls(
            raw.version,
            summary.name,
            {raw.folder / file.path: file for file in summary.files},
            summary.left_out,
            int(datetime.fromisoformat(raw.manifest["created"]).timestamp() * 1e9),
            interactions.summary["rows"] - (served.listens if served else 0),
            interactions.summary["kept"],
            served.last_row if served else 0,
            interactions,
        )

    def rows_of(self, path: Path) -> int:
        """How many rows, usable or not, a file of the log had.

        Raises:
            ArtifactError: the tables of the artifact cannot be read.
        """
        return self._rows_of_files.get(list(self.files).index(path), 0)

    @cached_property
    def _rows_of_files(self) -> dict[int, int]:
        assert self.interactions is not None
        tables = [self.interactions.folder / f"{name}.parquet" for name in ("interactions", "rejects")]
        try:
            files = pl.concat([pl.scan_parquet(table, glob=False).select("file") for table in tables])
            counts = files.group_by("file").len().collect()
        except (pl.exceptions.PolarsError, OSError):
            raise ArtifactError(f"{self.interactions} is damaged; {self.interactions.remedy}") from None
        return dict(zip(counts["file"].to_list(), counts["len"].to_list(), strict=True))
