"""`lineage.json`: every key of it, and how it is written and read. Keys are only ever added."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file, write_json_file
from loopback_core.evaluation.significance import Comparison, Mean


class FamilyFacts(TypedDict):
    """One training. A diverged one has `seed`, `diverged` and `losses` alone."""

    seed: int
    diverged: bool
    losses: list[float]  # of each epoch
    best_epoch: NotRequired[int]
    seconds: NotRequired[float]  # of training
    parameters: NotRequired[int]
    device: NotRequired[str]
    build_seconds: NotRequired[float]  # of the vectors of the catalog and the index, written to disk
    bytes_per_track: NotRequired[float]  # of vectors and index
    share_found: NotRequired[dict[str, float]]  # task -> share of the exact 100 best that the index finds
    mean_cosine: NotRequired[float | None]  # between a user's vectors; None where there is one, or they are summed
    times: NotRequired[
        dict[str, float]
    ]  # p50_ms and p99_ms of a query on one core; search_...: after encoding the user


class FamilyRow(TypedDict):
    """A family. Its values are means over seeds; one that diverged under any seed has none."""

    family: str
    title: str
    overrides: Mapping[str, Mapping[str, Any]]  # section -> key -> value
    diverged: list[int]  # the seeds under which it did
    runs: list[FamilyFacts]
    costs: dict[str, float]  # the numbers of the facts, and of `times`, as means over seeds
    tasks: dict[str, dict[str, Mean]]  # task -> metric
    paired: dict[str, dict[str, Comparison]]  # the same, minus the plain towers; empty for these
    on_front: dict[str, bool]  # task -> whether no other family is both better and faster


class Lineage(TypedDict):
    """The whole document."""

    schema: int
    versions: dict[str, str]
    plain: str  # the family that the others are compared with
    seeds: list[int]
    resamples: int
    tracks: int  # of the catalog
    users: dict[str, int]  # task -> scored users
    rows: list[FamilyRow]


def write_lineage(lineage: Lineage, folder: Path) -> None:
    """Write `lineage.json` into the folder."""
    write_json_file(lineage, folder / "lineage.json")


def read_lineage(folder: Path) -> Lineage:
    """The `lineage.json` of a folder.

    Raises:
        ArtifactError: it is missing, damaged, or lacks a key that every one has.
    """
    return read_json_file(folder / "lineage.json", _ADAPTER)


_ADAPTER = TypeAdapter(Lineage)
